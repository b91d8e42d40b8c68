"""Judges at hand for several threads: each is lent to one at a time.

A verifier is a value without state; the sandboxes that it works with are kept here, for the life of
the process.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

WORKERS = 2
"""Judges of one kind at most; further threads wait for one."""


class Closable(Protocol):
    """What a pool lends."""

    def close(self) -> None: ...


T = TypeVar("T", bound=Closable)


class Pool(Generic[T]):
    """Up to `size` things that `make` makes, each when it is first wanted."""

    def __init__(self, make: Callable[[], T], size: int = WORKERS) -> None:
        self._make = make
        self._free: list[T] = []
        self._places = threading.Semaphore(size)
        self._lock = threading.Lock()

    @contextmanager
    def lend(self) -> Iterator[T]:
        """One for one thread. After an error it is closed, not lent again."""
        with self._places:
            with self._lock:
                thing = self._free.pop() if self._free else None
            thing = self._make() if thing is None else thing
            try:
                yield thing
            except BaseException:
                thing.close()
                raise
            with self._lock:
                self._free.append(thing)

    def close(self) -> None:
        """End those that are free."""
        with self._lock:
            while self._free:
                self._free.pop().close()


_pools: dict[Hashable, Pool[Any]] = {}
_lock = threading.Lock()


def pool_of(kind: Hashable, make: Callable[[], T]) -> Pool[T]:
    """The process's pool of a kind; made with `make` where there is none yet."""
    with _lock:
        return _pools.setdefault(kind, Pool(make))


def close_pools() -> None:
    """End all that is free (also done at exit); later judgings start others."""
    with _lock:
        for pool in _pools.values():
            pool.close()


def _forget_after_fork() -> None:
    # The sandboxes, and perhaps a held lock, belong to the parent of the fork.
    global _lock
    _lock = threading.Lock()
    _pools.clear()


atexit.register(close_pools)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
