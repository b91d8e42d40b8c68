"""The one event loop behind the plain calls: a daemon thread per process.

`run` submits a coroutine and waits, from a script, a notebook cell or any thread; `start` submits
it and returns a handle at once. On Ctrl-C the waiting call cancels its coroutine, waits until that
has ended (so what was answered reaches the log), then raises. No signal handlers are installed.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from evaluators.errors import LabError

T = TypeVar("T")

_POLL = 0.2  # seconds; a plain wait on a lock cannot be interrupted on Windows

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_owner: tuple[int, int] = (0, 0)  # process id (a fork has no thread) and thread id


def lab_loop() -> asyncio.AbstractEventLoop:
    """The process's event loop, running in its daemon thread; started on first use."""
    global _loop, _owner
    with _lock:
        if _loop is None or _owner[0] != os.getpid():
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="lab-loop", daemon=True)
            thread.start()
            _loop, _owner = loop, (os.getpid(), thread.ident or 0)
        return _loop


def inside() -> bool:
    """Whether the caller runs in the loop's own thread, where waiting would block the loop."""
    return _owner == (os.getpid(), threading.get_ident())


class Handle(Generic[T]):
    """A coroutine that runs in the background."""

    def __init__(
        self, work: Coroutine[Any, Any, T], progress: Callable[[], Any] | None = None
    ) -> None:
        self._outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._progress = progress
        self._task: asyncio.Task[T] | None = None
        self._loop = lab_loop()
        self._loop.call_soon_threadsafe(self._begin, work)

    def stop(self) -> None:
        """Ask it to end. Returns at once; `result` waits for the end."""
        self._loop.call_soon_threadsafe(self._cancel)

    def done(self) -> bool:
        """Whether it has ended, in whichever way."""
        return self._outcome.done()

    @property
    def progress(self) -> Any:
        """What the work last reported, or `None`."""
        return self._progress() if self._progress is not None else None

    def result(self, timeout: float | None = None) -> T:
        """Wait for the end and return the result, or raise what the work raised.

        Raises TimeoutError after `timeout` seconds (the work goes on) and
        `concurrent.futures.CancelledError` for work that was stopped and has no result.
        """
        _refuse_inside("waiting for a handle")
        while timeout is None or timeout > _POLL:
            try:
                return self._outcome.result(_POLL)
            except concurrent.futures.TimeoutError:
                if self._outcome.done():  # the work's own TimeoutError
                    return self._outcome.result()
                timeout = None if timeout is None else timeout - _POLL
        return self._outcome.result(timeout)

    def _begin(self, work: Coroutine[Any, Any, T]) -> None:
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(self._end)

    def _cancel(self) -> None:
        if self._task is not None:  # work that was never entered could not say how it ended
            asyncio.get_running_loop().call_soon(self._task.cancel)

    def _end(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self._outcome.set_exception(concurrent.futures.CancelledError())
        elif (error := task.exception()) is not None:
            self._outcome.set_exception(error)
        else:
            self._outcome.set_result(task.result())


def start(work: Coroutine[Any, Any, T], progress: Callable[[], Any] | None = None) -> Handle[T]:
    """Run a coroutine in the background. `progress` is called for the handle's `progress`."""
    return Handle(work, progress)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine and return its result.

    Ctrl-C cancels it, waits until it has ended, and raises KeyboardInterrupt. Raises LabError from
    inside the loop itself, where it would wait for ever: await the coroutine there.
    """
    try:
        _refuse_inside("a plain call")
    except LabError:
        work.close()
        raise
    handle = Handle(work)
    try:
        return handle.result()
    except KeyboardInterrupt:
        handle.stop()
        _drain(handle)
        raise


def _drain(handle: Handle[Any]) -> None:
    """Wait until the work has ended, whatever it ends with; a second Ctrl-C stops the waiting."""
    while not handle.done():
        concurrent.futures.wait([handle._outcome], timeout=_POLL)


def _refuse_inside(what: str) -> None:
    if inside():
        raise LabError(f"{what} inside the lab's event loop would wait for ever; await it instead")
