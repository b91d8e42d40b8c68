"""Sandbox: calls a function of untrusted source where it can do no harm."""

from __future__ import annotations

import os
import time
import warnings
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from evaluators.errors import BadInput, LabError
from evaluators.sandbox import talk
from evaluators.sandbox.backends import plan_for
from evaluators.sandbox.child import write_call
from evaluators.sandbox.ending import outcome
from evaluators.sandbox.interpreter import CannotStart, Ended, Interpreter, Plan, SandboxDied
from evaluators.sandbox.outcome import Limits, Outcome
from evaluators.sandbox.plain import CannotCross
from evaluators.sandbox.seccomp import NoFilter


class NoSandbox(LabError):
    """No back-end that isolates works here; says why each is refused."""


class WeakSandbox(UserWarning):
    """The back-end that was named does not isolate."""


class Sandbox:
    """A warm interpreter that runs each candidate in a child of its own.

    `backend` is `bwrap`, `landlock`, or None for what REASONLAB_SANDBOX names, else the stronger
    of the two that works here (NoSandbox if neither does); the weak `process` isolates nothing and
    must be named. `preload` are the modules that candidates find loaded; `before` is trusted
    source that runs inside ahead of them (a stand-in for a module, say). The interpreter starts
    with the first call (0.1 to 0.2 s). One thread at a time.
    """

    def __init__(
        self,
        backend: str | None = None,
        limits: Limits = Limits(),  # noqa: B008
        preload: Sequence[str] = ("numpy",),
        before: str = "",
    ) -> None:
        backend = backend or os.environ.get("REASONLAB_SANDBOX") or _strongest()
        try:
            self._open(plan_for(backend, preload, before), limits)
        except NoFilter as error:
            raise NoSandbox(f"back-end {backend!r}: {error}") from None
        if self.backend == "process":
            warnings.warn(
                "the back-end 'process' does not isolate: code it runs can read and write what "
                "you can. Use it for code that you trust.",
                WeakSandbox,
                stacklevel=2,
            )

    def _open(self, plan: Plan, limits: Limits) -> None:
        self.limits = limits
        self._plan = plan
        self._held: list[Interpreter] = []  # at most one
        self._busy = False
        self._started = False
        self._finalizer = weakref.finalize(self, _end, self._held)

    @property
    def backend(self) -> str:
        return self._plan.backend

    def call(
        self,
        source: str,
        function: str,
        arguments: Sequence[Any] = (),
        limits: Limits | None = None,
    ) -> Outcome:
        """Run `source` as a module in a fresh child, call its `function`, and say what came of it.

        Arguments are positional, plain data or numpy arrays (BadInput otherwise). Whatever the
        candidate does is told by the Outcome's verdict; nothing of it raises.
        """
        with self.session(source, limits) as session:
            return session._call(function, arguments, last=True)

    @contextmanager
    def session(self, source: str, limits: Limits | None = None) -> Iterator[Session]:
        """One child that runs `source` once and answers many calls; ends with the block."""
        if self._busy:
            raise BadInput("this Sandbox already has a session open: end it, or use a second one")
        self._busy = True
        session = Session(self, source, limits or self.limits)
        try:
            yield session
        finally:
            self._busy = False
            session._finish()

    def close(self) -> None:
        """End the interpreter; the next call would start a fresh one."""
        _end(self._held)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _interpreter(self) -> Interpreter:
        if self._held and self._held[0].usable():
            return self._held[0]
        _end(self._held)
        try:
            self._held.append(Interpreter(self._plan))
        except CannotStart as error:
            if self._started:
                raise SandboxDied(str(error)) from None
            raise NoSandbox(f"back-end {self.backend!r} does not start: {error}") from None
        self._started = True
        return self._held[0]


def _strongest() -> str:
    from evaluators.sandbox.probe import strongest  # which tries Sandboxes

    return strongest()


def _end(held: list[Interpreter]) -> None:
    while held:
        held.pop().end()


class Session:
    """Calls to one child. The module's state lasts from call to call; once the child has ended,
    every further call returns the Outcome that ended it. `ended` is set once the child has ended:
    processor seconds and peak kB of its whole life."""

    def __init__(self, sandbox: Sandbox, source: str, limits: Limits) -> None:
        self._sandbox = sandbox
        self._source: str | None = source
        self._limits = limits
        self._interpreter: Interpreter | None = None
        self._channel: Any = None
        self.ended: Ended | None = None
        self._over = False
        self._final = _refused_source(source, limits, sandbox.backend)

    def call(self, function: str, arguments: Sequence[Any] = ()) -> Outcome:
        """Call `function` of the session's module. Wall time is limited per call, processor time
        and memory for the child's whole life; an Outcome tells them if the child ended with it."""
        return self._call(function, arguments, last=False)

    def _call(self, function: str, arguments: Sequence[Any], last: bool) -> Outcome:
        if self._final is not None:
            return self._final
        if self._over:
            raise BadInput("this session is over: its block has ended")
        first = self._interpreter is None
        try:
            message = write_call(self._source, function, list(arguments), last)
        except CannotCross as error:
            raise BadInput(f"the arguments of {function} cannot cross: {error}") from None
        try:
            try:
                return self._exchange(message, last)
            except SandboxDied:
                if not first:
                    raise
                self._abandon()
                return self._exchange(message, last)
        except SandboxDied as error:
            self._abandon()
            self._final = Outcome("sandbox_died", reason=str(error), backend=self._sandbox.backend)
            return self._final

    def _exchange(self, message: bytes, last: bool) -> Outcome:
        limits = self._limits
        if self._interpreter is None:
            interpreter = self._sandbox._interpreter()
            self._channel = interpreter.fork(limits)
            self._interpreter = interpreter
        interpreter, channel = self._interpreter, self._channel
        if self._sandbox._held != [interpreter]:
            raise SandboxDied("the Sandbox was closed")
        began = time.monotonic()
        heard = talk.exchange(channel, interpreter.control, message, limits)
        ended: Ended | None = None
        if heard.late or heard.flood:
            ended = self._end_child(heard)
        elif last or not heard.kind:
            left = limits.wall - (time.monotonic() - began)
            ended = interpreter.ended_within(left)
            if ended is None:
                heard.late = True
                ended = self._end_child(heard)
            talk.drain(channel, heard, limits)
        self._source = None
        result = outcome(heard, ended, limits, time.monotonic() - began, self._sandbox.backend)
        if ended is not None:
            self._final, self.ended = result, ended
        return result

    def _end_child(self, heard: talk.Heard) -> Ended:
        assert self._interpreter is not None
        try:
            return self._interpreter.kill_child()
        except SandboxDied:
            if not heard.late:
                raise
            self._abandon()  # it is late for certain; how much it used is not known
            return Ended(9, 0.0, 0)

    def _abandon(self) -> None:
        if self._interpreter is not None:
            self._channel.close()
            self._interpreter = None
        self._sandbox.close()

    def _finish(self) -> None:
        self._over = True
        if self._interpreter is None:
            return
        self._channel.close()
        if self._interpreter.live:
            try:
                self.ended = self._interpreter.kill_child()
            except SandboxDied:
                self._sandbox.close()
        self._interpreter = None


def _refused_source(source: str, limits: Limits, backend: str) -> Outcome | None:
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        reason = f"the source is not Unicode text: {error.reason} at {error.start}"
        return Outcome("exception", reason=reason, backend=backend)
    if size > limits.source_bytes:
        reason = f"the source has {size} bytes; the limit is {limits.source_bytes}"
        return Outcome("exception", reason=reason, backend=backend)
    return None
