"""The program around the unit tests, inside their own sandbox: the candidate is a remote function.

Sent as text after `crossing`. In the middle of `run` the answer to the session's call is a request
for the candidate, and the session's next call brings what `candidate.call` returned.
"""

from __future__ import annotations

import ast
import builtins
import traceback
from typing import Any

from evaluators.code.crossing import Uncrossable, dumps, loads

OWN_FAULT = (NameError, ImportError, SyntaxError)
"""What tests raise on their own account, whatever the answers are."""


def remote(sent: str) -> list[str]:
    """One call of the candidate, by the trusted side."""
    from evaluators.sandbox.child import ask

    return ask(["call", sent])[0]


class Stop(BaseException):
    """Ends the tests where they cannot go on; no `except Exception` of theirs takes it."""


class Remote:
    """The candidate as the tests see it: a function that answers from elsewhere.

    `calls` made, `checks` executed, `loss` what did not cross, `stopped` (kind, reason) where the
    tests had to end, `raised` the exceptions of the candidate, `last` its last answer.
    """

    def __init__(self) -> None:
        self.calls = self.checks = 0
        self.loss = ""
        self.stopped: tuple[str, str] | None = None
        self.raised: list[BaseException] = []
        self.last = ""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        try:
            sent = dumps([arguments, named])
        except Uncrossable as error:
            self.stop("fault", f"the tests pass {error} to the candidate, which cannot cross")
        self.calls += 1
        kind, text, loss, *name = remote(sent)
        if kind == "uncrossable":
            self.stop("uncrossable", f"the candidate returned {text[:200]}, which cannot cross")
        self.loss = self.loss or loss[:200]
        try:
            value = loads(text)
        except Uncrossable as error:
            self.stop("bad_output", f"the answer is no plain data: {error}")
        if kind == "raised":
            self.raised.append(self.made("".join(name), value))
            self.last = f"it raised {_shown(self.raised[-1])}"
            raise self.raised[-1]
        self.last = f"it returned {_shown(value)}"
        return value

    def made(self, name: str, arguments: Any) -> BaseException:
        """An exception of a built-in type."""
        kind = getattr(builtins, name, None)
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            self.stop("bad_output", "it raised what is no exception")
        assert isinstance(kind, type)
        try:
            return kind(*arguments)
        except (TypeError, ValueError):  # UnicodeDecodeError and its like are particular
            made: BaseException = Exception.__new__(kind)
            made.args = (str(arguments),)
            return made

    def checked(self) -> None:
        """Counts a check that is about to be made."""
        self.checks += 1

    def stop(self, kind: str, reason: str) -> Any:
        """Ends the tests, even where they catch everything."""
        self.stopped = self.stopped or (kind, reason)
        raise Stop


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        text = f"a {type(value).__name__}"
    return text if len(text) <= 100 else text[:97] + "..."


class Counting(ast.NodeTransformer):
    """Puts a count before every check: an assert, a call of assert…, an if that raises."""

    def visit_Assert(self, node: ast.Assert) -> Any:
        return self.counted(node)

    def visit_Expr(self, node: ast.Expr) -> Any:
        called = node.value.func if isinstance(node.value, ast.Call) else None
        name = getattr(called, "attr", getattr(called, "id", ""))
        return self.counted(node) if name.startswith("assert") else node

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        raises = any(isinstance(n, ast.Raise) for n in [*node.body, *node.orelse])
        return self.counted(node) if raises else node

    def counted(self, node: ast.stmt) -> list[ast.stmt]:
        """The statement with the count before it."""
        count = ast.parse("__checked__()").body[0]
        for part in ast.walk(count):
            ast.copy_location(part, node)
        return [count, node]


def run(prompt: str, test: str, entry: str) -> list[Any]:
    """Run `check(candidate)` of the tests, or the asserts at their top level.

    The prompt's own imports and functions are at hand. Returns `["told", report]`: the counts,
    `loss` (what of the answers did not cross), `reason`, and `ended`: passed, wrong, exception (of
    the candidate), uncrossable, bad_output, unchecked, doubt (it is not plain whose fault), fault
    (of the tests).
    """
    candidate = Remote()
    try:
        ended, reason = _run(prompt, test, entry, candidate)
    except BaseException as error:
        ended, reason = _failed(error, candidate, test)
    if candidate.stopped:
        ended, reason = candidate.stopped
    reason = reason[:1000].encode("utf-8", "replace").decode()  # what is no Unicode cannot cross
    report = {
        "ended": ended, "reason": reason, "calls": candidate.calls,
        "checks": candidate.checks, "loss": candidate.loss,
    }  # fmt: skip
    return ["told", report]


def _run(prompt: str, test: str, entry: str, candidate: Remote) -> tuple[str, str]:
    space: dict[str, Any] = {"__name__": "tests"}
    for whole in (prompt, prompt + "\n    pass\n"):
        try:
            code = compile(whole, "<prompt>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            continue
        exec(code, space)
        break
    space |= {entry: candidate, "candidate": candidate, "__checked__": candidate.checked}
    tree = ast.fix_missing_locations(Counting().visit(ast.parse(test, "<tests>")))
    exec(compile(tree, "<tests>", "exec", dont_inherit=True, optimize=0), space)
    check = space.get("check")
    if callable(check):
        check(candidate)
    elif not candidate.calls:
        return "fault", "the tests have no function check(candidate)"
    if not candidate.calls:
        return "fault", "the tests never call the candidate, so they pass everything"
    if not candidate.checks:
        return "unchecked", "no assert was executed, so nothing was checked"
    return "passed", ""


def _failed(error: BaseException, candidate: Remote, test: str) -> tuple[str, str]:
    said = f"{type(error).__name__}: {error}"[:300].removesuffix(": ")
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == "<tests>"]
    line = lines[-1] if lines and lines[-1] else 0
    shown = test.split("\n")[line - 1].strip()[:160] if line else ""
    place = f" (test line {line}: {shown})" if line else ""
    if any(error is raised for raised in candidate.raised):
        return "exception", said + place
    if not candidate.calls or isinstance(error, OWN_FAULT):
        return "fault", f"the tests fail by themselves: {said}{place}"
    if isinstance(error, AssertionError):
        return "wrong", f"{said}{place}; {candidate.last}"
    if isinstance(error, Exception) and not isinstance(error, MemoryError | RecursionError):
        return "wrong", f"the tests raised {said}{place}; {candidate.last}"
    return "doubt", f"the tests ended by {said}{place}"
