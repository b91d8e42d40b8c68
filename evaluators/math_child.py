"""The program inside the killable worker: reads pairs of answers, compares them with math-verify.

Started by file path by `evaluators.math_worker`; imports nothing of this project. One JSON object a
line on stdin (`id`, `gold`, `answer`, `seconds`), one a line on stdout (`id`, `verdict`, `reason`);
the first line out says that the imports are done.

No answer text becomes code. Answers are parsed by math-verify's LaTeX grammar alone, because its
other parser hands its text to `eval`. So does sympy with every string that is to become a number:
that reader is replaced here, and an audit hook refuses whatever else would compile text.

Everything that might not end ends by a signal: an interval timer with the default action (death)
is armed around each comparison, for the case that the parent has died and nobody kills us.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
from typing import Any

DIGITS = 400  # working precision when two closed forms are told apart
SAME = 100  # decimal digits that closed forms have to agree in
DRAWN_OUT = 20.0  # seconds that an orphan may go on computing


def limit_memory(megabytes: int) -> bool:
    """Cap the address space; returns whether this system can (Windows and macOS cannot)."""
    try:
        import resource
    except ImportError:
        return False
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = megabytes << 20
    if hard != resource.RLIM_INFINITY:
        size = min(size, hard)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (size, hard))
    except (ValueError, OSError):
        return False
    return True


def read_without_eval() -> None:
    """Replace the reader that sympy uses for strings (tokens of its LaTeX grammar) by this one."""
    from sympy import Float, Integer, Symbol, SympifyError
    from sympy.parsing import sympy_parser

    def read(text: str, *_: object, **__: object):
        text = text.strip()
        if re.fullmatch(r"[0-9]+", text):
            return Integer(int(text))
        if re.fullmatch(r"[0-9]*\.[0-9]+|[0-9]+\.", text):
            return Float(text)
        if re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", text):
            return Symbol(text)
        raise SympifyError(text)

    sympy_parser.parse_expr = read


def refuse_compiling() -> None:
    """From here on, no source text becomes code in this process, except inside an import and where
    sympy writes the arithmetic of monomials, out of a count of variables, for itself."""

    from sympy.polys import monomials as module

    monomials = module.__file__

    def hook(event: str, args: tuple) -> None:
        if event != "compile" or args[0] is None:
            return
        frame = sys._getframe(1)
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith("<frozen importlib") or name == monomials:
                return
            frame = frame.f_back
        raise PermissionError("text must not become code in this process")

    sys.addaudithook(hook)


def parse(text: str) -> Any:
    """A sympy object, or `None` where the grammar does not know the text."""
    from math_verify import LatexExtractionConfig, parse

    found = parse(
        f"${text}$",
        extraction_config=[LatexExtractionConfig()],
        fallback_mode="no_fallback",
        parsing_timeout=None,  # type: ignore[arg-type]
    )
    return found[0] if found else None


def numbers_differ(gold, answer) -> bool:
    """Whether two closed forms without variables are different numbers.

    math-verify sets a difference below 1e-15 to zero, whatever the size of the numbers: here they
    must agree relative to their size. Decimals are left to math-verify, which rounds them.
    """
    from sympy import Expr, Float

    if not (isinstance(gold, Expr) and isinstance(answer, Expr)):
        return False
    if not (gold.is_number and answer.is_number) or gold.has(Float) or answer.has(Float):
        return False
    gold, answer = gold.doit(), answer.doit()
    if gold == answer:
        return False
    largest = max(abs(gold.evalf(15)), abs(answer.evalf(15)))
    gap = abs((gold - answer).evalf(15, maxn=DIGITS))
    return bool(gap > largest * Float(10) ** -SAME)


def decimal_differs(gold, answer, tolerance: float) -> bool:
    """Whether a closed form lies further than `tolerance` from a decimal of few digits."""
    from sympy import Expr

    if not (isinstance(gold, Expr) and isinstance(answer, Expr)):
        return False
    return bool(abs((gold - answer).evalf(30)) >= tolerance)


def compare(gold_text: str, answer_text: str, tolerance: float | None) -> tuple[str, str]:
    """Verdict (`equal`, `different`, `unparsed`) and one sentence."""
    from math_verify import verify

    gold, answer = parse(gold_text), parse(answer_text)
    if gold is None or answer is None:
        what = "reference" if gold is None else "answer"
        return "unparsed", f"the {what} is not a mathematical expression that can be read"
    if tolerance is not None:
        if decimal_differs(gold, answer, tolerance):
            return "different", "further apart than the last digit of the decimal"
        return "equal", "the decimal is the expression rounded or cut"
    if not verify(gold, answer, timeout_seconds=None):
        return "different", "math-verify finds no equality"
    if numbers_differ(gold, answer):
        return "different", "the two numbers differ relative to their size"
    return "equal", "equal by math-verify"


def answer_line(line: str) -> dict:
    """One request to one reply; no exception leaves."""
    request = json.loads(line)
    try:
        verdict, reason = compare(request["gold"], request["answer"], request.get("tolerance"))
    except MemoryError:
        verdict, reason = "memory", "the comparison needs more memory than it may have"
    except RecursionError:
        verdict, reason = "error", "the expression is nested too deeply"
    except Exception as error:
        verdict, reason = "error", f"{type(error).__name__}: {str(error)[:200]}"
    return {"id": request["id"], "verdict": verdict, "reason": reason}


def main() -> None:
    """Serve until stdin closes."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # nothing that a library prints may reach the replies
    try:
        import math_verify  # noqa: F401
    except ImportError as error:
        print(json.dumps({"ready": False, "reason": str(error)}), file=replies, flush=True)
        return
    logging.disable(logging.CRITICAL)
    capped = limit_memory(int(sys.argv[1]))
    read_without_eval()
    for pair in ((r"\frac{1}{\sqrt{2}}", r"\sqrt{2}/2"), ("1/2 + e", "0.1"), ("x+1", "1+x")):
        compare(*pair, None)  # imports and caches, before the first answer is timed
    refuse_compiling()
    print(json.dumps({"ready": True, "memory_capped": capped}), file=replies, flush=True)
    for line in sys.stdin:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, DRAWN_OUT)
        reply = answer_line(line)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
