"""Landlock by raw system calls: this process may read some folders, and change no file at all.

Runs inside. The kernel is asked by the call itself which version it has; from version 4 on TCP is
refused too, from 6 on signals and abstract sockets to the outside. Landlock does not hide that a
file exists, nor does it forbid changing modes and times: the filter of system calls does that.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same numbers on every machine
_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3


class NoLandlock(Exception):
    """The kernel has none, or refuses it. The text says which."""


def version() -> int:
    """Which version the kernel offers, from 1; raises NoLandlock if none."""
    found, number = _call(_CREATE, None, 0, _VERSION)
    if found > 0:
        return found
    if number == 95:  # EOPNOTSUPP
        raise NoLandlock("the kernel has Landlock but it is switched off at boot (lsm=)")
    raise NoLandlock(f"the kernel has no Landlock, 5.13 or newer is due ({os.strerror(number)})")


def restrict(folders: Iterable[str]) -> None:
    """From here on this process and its children can read under `folders` and nothing else.

    The process must have given up gaining rights. Raises NoLandlock.
    """
    level = version()
    files = (1 << 13) - 1
    files |= (1 << 13 if level >= 2 else 0) | (1 << 14 if level >= 3 else 0)
    files |= 1 << 15 if level >= 5 else 0
    handled = [files]
    if level >= 4:
        handled.append(0b11)  # bind and connect of TCP
    if level >= 6:
        handled.append(0b11)  # abstract sockets and signals to the outside
    wanted = struct.pack(f"<{len(handled)}Q", *handled)
    rules = _must("landlock_create_ruleset", _call(_CREATE, wanted, len(wanted), 0))
    for folder in folders:
        try:
            place = os.open(folder, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        kind = os.fstat(place).st_mode
        rights = _READ_FILE | (_READ_DIR if stat.S_ISDIR(kind) else 0)
        rule = struct.pack("<Qi", rights, place)
        _must("landlock_add_rule", _call(_ADD_RULE, rules, _PATH_BENEATH, rule, 0))
        os.close(place)
    _must("landlock_restrict_self", _call(_RESTRICT, rules, 0))
    os.close(rules)


def _must(what: str, answer: tuple[int, int]) -> int:
    result, number = answer
    if result < 0:
        raise NoLandlock(f"{what}: {os.strerror(number)}")
    return result


def _call(number: int, *arguments: int | bytes | None) -> tuple[int, int]:
    """The result of a system call and, where that is -1, the error number."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    values = [ctypes.c_long(a) if isinstance(a, int) else ctypes.c_char_p(a) for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *values)
    return result, ctypes.get_errno() if result == -1 else 0
