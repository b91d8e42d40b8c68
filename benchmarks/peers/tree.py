"""Processor time of a process and all its descendants, read from /proc (Linux)."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_SUBREAPER = 36  # prctl: orphans become children of this process


def adopt_orphans() -> None:
    """From now on descendants whose parents have died are children of this process."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def descendants(root: int) -> list[int]:
    """`root` and the processes below it that are alive now."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting += parents.get(found[-1], [])
    return found


def seconds(root: int) -> float:
    """Processor seconds of `root` and its descendants so far; of the dead as far as their parents
    have waited for them. Nanoseconds for the living, clock ticks for the dead."""
    total = 0.0
    for pid in descendants(root):
        fields = _stat(pid)
        if fields:
            ticks = (int(fields[11]) + int(fields[12])) * _TICK
            total += max(ticks, _on_processor(pid))
            total += (int(fields[13]) + int(fields[14])) * _TICK
    return total


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, from the state on; none for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _on_processor(pid: int) -> float:
    total = 0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except OSError:
        return 0.0
    return total / 1e9
