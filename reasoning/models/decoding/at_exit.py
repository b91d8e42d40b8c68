"""Loops that still decode when the interpreter ends are closed first.

A thread that comes back from torch while the interpreter goes away is ended inside C++ code, which
aborts the whole process: exit status 134 in place of 0, `terminate called without an active
exception`.
"""

from __future__ import annotations

import atexit
import os
from typing import Any
from weakref import WeakSet

WAIT = 20.0  # seconds for one step of a model, at most

_open: WeakSet[Any] = WeakSet()
_owner = 0  # process id: a forked child has none of the threads


def close_at_exit(loop: Any) -> None:
    """Call `loop.close(seconds to wait)` when the interpreter ends, if it is still there."""
    global _owner
    if _owner != os.getpid():
        _open.clear()
        if not _owner:
            atexit.register(_close)
        _owner = os.getpid()
    _open.add(loop)


def _close() -> None:
    if _owner == os.getpid():
        for loop in list(_open):
            loop.close(WAIT)
