"""Giving up rights for good: the warm interpreter's first act, and each child's.

Runs inside. Every step that fails ends the interpreter with a sentence on standard error; none is
skipped.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from typing import Any

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_SECCOMP_MODE_FILTER = 2


class Program(ctypes.Structure):
    """`struct sock_fprog`: a filter as the kernel wants it."""

    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]  # noqa: RUF012


def enter(config: dict[str, Any]) -> None:
    """Become nobody, give up gaining rights, hide the files, as `config` says."""


def filter_calls(code: str | None) -> None:
    """Install a filter (hexadecimal) in this process, for good."""
    install(prepare(code))


def prepare(code: str | None) -> Any:
    """A filter ready to be installed with one system call."""
    if code is None:
        return None
    raw = bytes.fromhex(code)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]
    program = Program(len(raw) // 8, raw)
    return prctl, ctypes.byref(program), program


def install(prepared: Any) -> None:
    """Install what `prepare` made; without no return if the kernel refuses it."""
    if prepared is None:
        return
    prctl, pointer, _ = prepared
    if prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, pointer) != 0:
        os._exit(112)


def open_pid(pid: int) -> int:
    """A descriptor that can be read once `pid` has ended; -1 where the system has none."""
    return os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1


def spent() -> tuple[float, float]:
    """User and system seconds of this process and of the children that it reaped."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime for use in uses), sum(use.ru_stime for use in uses)


def refuse(sentence: str) -> None:
    """End the interpreter before it served anything."""
    sys.exit(f"lockdown: {sentence}")
