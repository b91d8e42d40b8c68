"""One attack on the sandbox: the candidate's source, and what containing it means.

An attack is a function `attack(world)`. `world` is the dictionary of `world.World.facts`: folders,
addresses, process numbers, all real, all reachable without a sandbox. Where the attack gets
through and leaves no trace outside, it returns or prints `world["breach"]`, a word drawn for each
run; everything else is observed from outside (`world.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from evaluators.sandbox import Limits

QUICK = Limits(wall=20.0, cpu=4.0, memory_mb=256, output_bytes=1 << 17)
"""For what ends by itself: long enough that no busy machine makes it a timeout."""
SHORT = Limits(wall=0.3, cpu=2.0, memory_mb=256, output_bytes=1 << 17)
"""For what never ends."""
SMALL = Limits(wall=20.0, cpu=4.0, memory_mb=64, output_bytes=1 << 17)
"""For what takes more than its memory."""

ENDED = frozenset(
    ["ok", "timeout", "memory", "crashed", "forbidden", "exception", "bad_output"]
)  # fmt: skip
"""Every verdict of the sandbox but `sandbox_died`: no candidate may break the sandbox itself."""
REFUSED = ENDED - {"ok"}


def patience(verdicts: str) -> Limits:
    """Little time where the end of it is an allowed verdict, else much."""
    return SHORT if "timeout" in verdicts.split() else QUICK


class Anything:
    """The value of an attack of which only the effects matter."""

    def __repr__(self) -> str:
        return "anything"


ANYTHING = Anything()


@dataclass(frozen=True)
class Attack:
    """`verdicts` are those that containment allows; `value` is what an `ok` call must return (of
    exactly these types); `then` is a second candidate that must not find what the first left;
    `processor` the least processor time, in seconds, that the trusted side must have measured;
    `memory` the most memory, in megabytes; `calls` how often one session calls it (the last one
    counts); `machine` the only processor where the source makes sense, `backend` the only back-end
    that promises to contain it."""

    name: str
    category: str
    source: str
    verdicts: frozenset[str] = ENDED
    limits: Limits = QUICK
    value: Any = ANYTHING
    then: str | None = None
    processor: float = 0.0
    memory: float | None = None
    calls: int = 1
    machine: str | None = None
    backend: str | None = None

    def suits(self, backend: str, machine: str) -> bool:
        """Whether it is to be contained by this back-end on this processor."""
        return self.machine in (None, machine) and (
            self.backend in (None, backend) or backend not in ("bwrap", "landlock")
        )


def attack(
    category: str, name: str, source: str, verdicts: str | frozenset[str] = ENDED, **more: Any
) -> Attack:
    """A case; `verdicts` may be words in one text, `source` may be indented."""
    if isinstance(verdicts, str):
        verdicts = frozenset(verdicts.split())
    for key in ("then",):
        if more.get(key):
            more[key] = dedent(more[key]).lstrip("\n")
    return Attack(name, category, dedent(source).lstrip("\n"), verdicts, **more)
