"""From how a child ended and what it said to an Outcome. A pure function of both.

What the child says of itself can only pick among the verdicts that cost it its score, or offer a
value: that it timed out, crashed or was refused a call is known from wait4 and the deadline.
"""

from __future__ import annotations

import os
import platform
import signal
from typing import Any

from evaluators.sandbox.child import BASE_ERRNO
from evaluators.sandbox.codec import decode
from evaluators.sandbox.interpreter import Ended
from evaluators.sandbox.outcome import Ending, Limits, Outcome
from evaluators.sandbox.plain import CannotCross
from evaluators.sandbox.syscalls import name_of
from evaluators.sandbox.talk import Heard

_CLAIMS: tuple[Ending, ...] = ("exception", "memory", "forbidden", "bad_output", "crashed")
_NO_MORE = (
    "in the sandbox there are no threads, processes, sockets or files to write, so neither asyncio "
    "nor multiprocessing works"
)


def outcome(
    heard: Heard, ended: Ended | None, limits: Limits, wall: float, backend: str
) -> Outcome:
    """The Outcome of one call; `ended` is None while the child of a session lives on."""
    verdict, value, reason, line = _judge(heard, ended, limits)
    printed = bytes(heard.printed[: limits.printed_bytes]).decode("utf-8", "replace")
    return Outcome(
        verdict=verdict,
        value=value,
        reason=reason,
        line=line,
        printed=printed,
        wall=wall,
        cpu=ended.cpu if ended else 0.0,
        memory_mb=ended.peak_kb / 1024 if ended else 0.0,
        backend=backend,
    )


def _judge(
    heard: Heard, ended: Ended | None, limits: Limits
) -> tuple[Ending, Any, str, int | None]:
    if ended is not None and _spent_all(ended, limits):
        return "timeout", None, f"more than {limits.cpu:g} s of processor time", None
    if heard.late:
        return "timeout", None, f"no answer within {limits.wall:g} s", None
    if heard.flood:
        return "bad_output", None, "more output than the limits allow, or no answer of ours", None
    if ended is not None and os.WIFSIGNALED(ended.status):
        return (*_died(ended, limits), None)
    if ended is not None and os.WEXITSTATUS(ended.status):
        return "crashed", None, f"ended with exit status {os.WEXITSTATUS(ended.status)}", None
    if not heard.kind:
        return "crashed", None, "ended without an answer (an exit, or the channel closed)", None
    try:
        answer = decode(heard.body)
        if heard.kind == "R":
            return "ok", answer, "", None
        return _claim(answer, limits)
    except CannotCross as error:
        return "bad_output", None, str(error), None


def _claim(answer: Any, limits: Limits) -> tuple[Ending, Any, str, int | None]:
    """What the child's own code says went wrong: kind, text, line, error number."""
    if type(answer) is not list or [type(x) for x in answer[:2]] != [str, str] or len(answer) != 4:
        raise CannotCross("no answer of ours")
    kind, text, line, code = answer
    if kind not in _CLAIMS:
        raise CannotCross("no answer of ours")
    if type(code) is int and 0 <= code - BASE_ERRNO < 1024:
        text = f"the system call {name_of(code - BASE_ERRNO, platform.machine())} is not allowed"
    if kind == "forbidden":
        text = f"{text} ({_NO_MORE})"
    if kind == "memory":
        text = f"{text} (the limit is {limits.memory_mb} MB)"
    return kind, None, text[:1000], line if type(line) is int else None


def _spent_all(ended: Ended, limits: Limits) -> bool:
    """Whether it used up its processor time; the timer that ends it is no finer than a tick."""
    killed = _signal(ended) == signal.SIGKILL and ended.cpu > 0.99 * limits.cpu
    return ended.cpu > limits.cpu or killed or _signal(ended) == signal.SIGXCPU


def _signal(ended: Ended) -> int:
    return os.WTERMSIG(ended.status) if os.WIFSIGNALED(ended.status) else 0


def _died(ended: Ended, limits: Limits) -> tuple[Ending, Any, str]:
    number = _signal(ended)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number == signal.SIGSYS:
        return "forbidden", None, f"a system call that no honest program needs ({_NO_MORE})"
    if number == signal.SIGKILL:
        return "memory", None, "ended from outside, most likely as the system ran out of memory"
    if ended.peak_kb > 0.9 * limits.memory_mb * 1024:
        return "memory", None, f"ended by {name} near its limit of {limits.memory_mb} MB"
    return "crashed", None, f"ended by {name}"
