"""An audit that cannot be made accuses nobody."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from evaluators.discovery import examples, load_problem
from evaluators.discovery.base import audited
from evaluators.errors import CannotJudge
from evaluators.sandbox import Outcome, Sandbox

OWN = str(Path(examples.__file__).parent / "one_machine.py")
DIED = Outcome("sandbox_died", reason="the interpreter is gone")
KINDS = {
    "table": ("bin-packing:or-1", {"train": 2}, 2),
    "priority": ("bin-packing:or-1", {"train": 2, "skeleton": "priority"}, 3),
    "cap-set": ("cap-set:3", {}, 2),
    "own": (OWN, {}, 2),
}
"""Name, options, calls of one audit before its session or its end."""


class Dying:
    """Passes calls on to a sandbox, as many as `good`, and is dead from then on."""

    def __init__(self, sandbox: Sandbox, good: int) -> None:
        self.sandbox, self.good = sandbox, good

    def call(self, *call: object) -> Outcome:
        self.good -= 1
        return DIED if self.good < 0 else self.sandbox.call(*call)

    @contextmanager
    def session(self, *_: object):
        yield SimpleNamespace(call=lambda *_: DIED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sandbox_that_dies_in_the_audit_is_no_cheating(kind: str, sandbox: Sandbox) -> None:
    name, options, calls = KINDS[kind]
    problem = load_problem(name, **options)
    source = "import math\n" + problem.start  # of arithmetic alone there is no second run
    found = problem.evaluate(source, sandbox)
    assert audited(problem, source, sandbox, found) == found
    for good in range(calls):
        with pytest.raises(CannotJudge, match="the interpreter is gone"):
            problem.audit(source, Dying(sandbox, good))
        after = audited(problem, source, Dying(sandbox, good), found)
        assert (after.verdict, after.score, after.scores) == ("sandbox_died", None, ())
