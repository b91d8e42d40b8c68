"""What one call of untrusted code may use, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

Ending = Literal[
    "ok", "timeout", "memory", "crashed", "forbidden", "exception", "bad_output", "invalid",
    "cheating", "sandbox_died",
]  # fmt: skip
"""The ten verdicts. The sandbox itself gives: `ok`; `timeout` (wall or processor time); `memory`;
`crashed` (a signal or an exit); `forbidden` (a system call that is not allowed); `exception` (type
and line); `bad_output` (no plain data, or too much of it); `sandbox_died` (infrastructure, tried
once more, never the candidate's fault). A scorer adds `invalid` (it refused the value) and
`cheating` (an audit caught it)."""

ENDINGS: tuple[str, ...] = get_args(Ending)


@dataclass(frozen=True)
class Limits:
    """What a candidate may use: seconds of `wall` time a call and of processor time (`cpu`) in its
    whole life, megabytes of memory beyond the interpreter's own, bytes of encoded output, bytes it
    may print (the rest is dropped), bytes of source, open descriptors."""

    wall: float = 2.0
    cpu: float = 2.0
    memory_mb: int = 512
    output_bytes: int = 1 << 20
    printed_bytes: int = 8192
    source_bytes: int = 65536
    descriptors: int = 32

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"limits.{name} must be more than 0, not {value!r}")


@dataclass(frozen=True)
class Outcome:
    """What came of one call.

    `value` is plain data (None, bool, int, float, str, list, dict with text keys, numpy arrays)
    where the verdict is `ok`. `reason` is one sentence, `line` the line of the candidate's source
    that raised, `printed` what it wrote. `wall` and `cpu` are seconds and `memory_mb` the peak, as
    the trusted side measured them; `backend` is what isolated it.
    """

    verdict: Ending
    value: Any = None
    reason: str = ""
    line: int | None = None
    printed: str = ""
    wall: float = 0.0
    cpu: float = 0.0
    memory_mb: float = 0.0
    backend: str = ""

    @property
    def ok(self) -> bool:
        return self.verdict == "ok"
