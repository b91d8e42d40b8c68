"""Become an ordinary user and run a program: `python ordinary.py PROGRAM ARGUMENT …`, as root.

The interpreter may live where only root may go (a home folder of mode 0700). So that an ordinary
user can run it, this process leaves for a mount namespace of its own, in which each folder that
bars the way is an empty one of mode 0755 that holds nothing but the paths needed, bound at their
own names. Nothing is copied, and nothing changes outside. Needs CAP_SYS_ADMIN where a folder bars
the way; files that are themselves unreadable to others (a checkout under umask 077) stay so.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from pathlib import Path

UID = 54321
NEW_MOUNTS, BIND, PRIVATE = 0x20000, 0x1000 | 0x4000, 0x40000 | 0x4000


def bars(path: Path) -> Path | None:
    """The highest folder on the way to `path` that others may not pass."""
    closed = [folder for folder in path.parents if not folder.stat().st_mode & 0o001]
    return closed[-1] if closed else path.parent if shut(path.parent) else None


def needed() -> list[Path]:
    """The project and the interpreter, without what lies inside one of the others."""
    own = {Path(__file__).resolve().parents[4], *(Path(p).resolve() for p in
           (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix))}  # fmt: skip
    apart = sorted(p for p in own if not any(q in p.parents for q in own))
    return [way for path in apart for way in (path.iterdir() if shut(path) else [path])]


def shut(folder: Path) -> bool:
    """Whether others may not list or pass a folder."""
    return folder.stat().st_mode & 0o005 != 0o005


def open_ways() -> None:
    """Make every needed path one that others can reach, for this process and its children."""
    ways = {path: bar for path in needed() if (bar := bars(path))}
    if not ways:
        return
    libc = ctypes.CDLL(None, use_errno=True)

    def check(result: int, what: str) -> None:
        if result:
            raise SystemExit(f"{what}: {os.strerror(ctypes.get_errno())}")

    check(libc.unshare(NEW_MOUNTS), "a mount namespace of one's own")
    held = {path: os.open(path, os.O_PATH) for path in ways}  # of this namespace's mounts
    check(libc.mount(None, b"/", None, PRIVATE, None), "private mounts")
    for bar in sorted(set(ways.values())):
        check(libc.mount(b"tmpfs", bytes(bar), b"tmpfs", 0, b"mode=755"), f"an empty {bar}")
    for path, fd in held.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if stat.S_ISDIR(os.fstat(fd).st_mode) else path.touch()
        source = f"/proc/self/fd/{fd}".encode()
        check(libc.mount(source, bytes(path), None, BIND, None), f"binding {path}")
        os.close(fd)


def main() -> None:
    """Open the ways, drop every privilege, become the program."""
    os.umask(0o022)
    open_ways()
    os.chdir("/")
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
