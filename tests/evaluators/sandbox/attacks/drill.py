"""Run attacks in one sandbox, each followed by a good candidate; write what each came to.

    python -m attacks.drill BACKEND [--unfiltered] [NAME …]

One JSON object a line: {"mark": how this world's files begin}; for each attack {"begin": name},
then {"name", "breaches", "verdict", "reason", …}; at last {"end": breaches found after closing}.
An attack without a breach was contained.
"""

from __future__ import annotations

import argparse
import json
import platform
import secrets
import sys
import time
import traceback
import warnings
from typing import Any

import numpy

from attacks import ATTACKS
from attacks.case import ANYTHING, QUICK, Attack
from attacks.world import World
from evaluators.sandbox import Outcome, Sandbox
from evaluators.sandbox.ablation import without_seccomp

GOOD = """
import json, math
{imports}
import numpy

def total(numbers, array, nonce):
    squares = sum(i * i for i in range(1000))
    doubled = array * 2
    return {{"nonce": nonce, "squares": squares, "array": doubled, "sum": float(numpy.sum(array)),
             "text": json.dumps(sorted(numbers)), "length": len(numbers), "root": math.sqrt(2)}}
"""
WORK = 2.0
"""Seconds of processor time that one call may cost the trusted side, whatever a candidate sends."""
PLAIN = (bool, int, float, complex, str, bytes)
LAZY = "import decimal, statistics, fractions, heapq, random, sqlite3, numpy.linalg"
"""Modules that no interpreter has loaded yet: the sandbox must let them be read."""


def same(a: Any, b: Any) -> bool:
    """Equal and of the same types throughout, minus zero apart from zero."""
    if type(a) is not type(b):
        return False
    if isinstance(a, numpy.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


def odd(value: Any) -> str | None:
    """What in a value is not plain data."""
    todo = [value]
    while todo:
        item = todo.pop()
        if type(item) is dict:
            todo += [*item.keys(), *item.values()]
        elif type(item) in (list, tuple, set, frozenset):
            todo += item
        elif type(item) is numpy.ndarray:
            if item.dtype.kind not in "biufc":
                return f"an array of {item.dtype}"
        elif item is not None and type(item) not in PLAIN:
            return f"a {type(item).__name__}"
    return None


class Drill:
    """One sandbox, and the world around it."""

    def __init__(self, backend: str, filtered: bool) -> None:
        self.world = World()
        print(json.dumps({"mark": self.world.mark}), flush=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the weak back-end warns
            self.sandbox = without_seccomp(backend) if not filtered else Sandbox(backend=backend)
        trouble = self.good(LAZY) or self.good()
        assert not trouble, trouble
        self.world.settle()
        self.world.intrusions()

    def good(self, imports: str = "") -> str | None:
        """A good candidate must score right; what is wrong, if it does not."""
        nonce, numbers = secrets.token_hex(8), [5, 3, 9]
        array = numpy.arange(12.0).reshape(3, 4)
        source = GOOD.format(imports=imports)
        outcome = self.sandbox.call(source, "total", (numbers, array, nonce), QUICK)
        wanted = {"nonce": nonce, "squares": 332833500, "array": array * 2, "sum": 66.0,
                  "text": "[3, 5, 9]", "length": 3, "root": 2**0.5}  # fmt: skip
        if outcome.verdict != "ok" or not same(outcome.value, wanted):
            return f"the next good candidate failed: {str(outcome)[:500]}"
        return None

    def told(self, outcome: Outcome, once: str = "") -> list[str]:
        """What an outcome gives away."""
        text = repr(outcome.value) + outcome.printed + str(outcome.reason)
        if isinstance(outcome.value, numpy.ndarray):
            text += str(outcome.value.tobytes())
        words = {
            "a secret": self.world.secret,
            "the attack says that it got through": self.world.breach,
        }
        if once:
            words["something of the candidate before"] = once
        return [
            f"{what}: …{text[max(0, text.index(w) - 40) :][:160]}"
            for what, w in words.items()
            if w in text
        ]

    def judge(self, case: Attack, outcome: Outcome) -> list[str]:
        """What the outcome itself has that it must not have."""
        found = self.told(outcome)
        if outcome.verdict not in case.verdicts:
            found.append(f"verdict {outcome.verdict} ({outcome.reason})")
        if outcome.verdict == "ok":
            if strange := odd(outcome.value):
                found.append(strange)
            if case.value is not ANYTHING and not same(outcome.value, case.value):
                found.append(f"value {str(outcome.value)[:99]}")
        elif outcome.value is not None:
            found.append(f"a value beside the verdict {outcome.verdict}")
        if len(outcome.printed.encode(errors="replace")) > 2 * case.limits.printed_bytes:
            found.append(f"printed {len(outcome.printed)}")
        if outcome.cpu < case.processor:
            found.append(f"only {outcome.cpu:.3f} s of processor time measured")
        if case.memory and outcome.memory_mb > case.memory:
            found.append(f"{outcome.memory_mb:.0f} MB used")
        if outcome.backend != self.sandbox.backend:
            found.append(f"back-end {outcome.backend}")
        return found

    def call(self, case: Attack, source: str, facts: dict[str, Any]) -> Outcome:
        """The outcome of one call, or of the last in a session."""
        if case.calls == 1:
            return self.sandbox.call(source, "attack", (facts,), case.limits)
        with self.sandbox.session(source, case.limits) as session:
            outcomes = [session.call("attack", (facts,)) for _ in range(case.calls)]
        return outcomes[-1]

    def run(self, case: Attack) -> dict[str, Any]:
        """One attack: its breaches, and what it ended with."""
        once = f"once-is-{secrets.token_hex(8)}"
        facts, start, worked = self.world.facts(), time.perf_counter(), time.process_time()
        source = case.source.replace("@once@", once)
        outcome = self.call(case, source, {**facts, "once": once})
        breaches = self.judge(case, outcome)
        if case.then is not None:
            second = self.sandbox.call(case.then, "attack", ({**facts, "once": ""},), case.limits)
            breaches += self.told(second, once)
        seconds = time.perf_counter() - start
        if (worked := time.process_time() - worked) > WORK:
            breaches.append(f"the supervisor worked for {worked:.1f} s")
        if trouble := self.good():
            breaches.append(trouble)
        breaches += self.world.intrusions()
        return {"name": case.name, "breaches": breaches, "verdict": outcome.verdict,
                "reason": outcome.reason[:300], "value": repr(outcome.value)[:200],
                "seconds": round(seconds, 3), "memory": round(outcome.memory_mb)}  # fmt: skip


def main() -> None:
    """Run the named attacks, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("backend")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--unfiltered", action="store_true")
    options = parser.parse_args()
    sys.setrecursionlimit(20_000)
    drill = Drill(options.backend, not options.unfiltered)
    for name in options.names or list(ATTACKS):
        case = ATTACKS[name]
        if case.suits(options.backend, platform.machine()):
            print(json.dumps({"begin": name}), flush=True)
            try:
                report = drill.run(case)
            except Exception:
                report = {"name": name, "breaches": [traceback.format_exc()]}
            print(json.dumps(report), flush=True)
    drill.sandbox.close()
    print(json.dumps({"end": drill.world.close()}), flush=True)


if __name__ == "__main__":
    main()
