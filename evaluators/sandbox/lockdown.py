"""Giving up rights for good: the warm interpreter's first act, and each child's.

Runs inside. Every step that fails ends the interpreter with a sentence on standard error; none is
skipped.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NoReturn

from evaluators.sandbox import landlock

_PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 8, 22, 38
_SECCOMP_MODE_FILTER = 2
_PROCESS_CLOCK, _ABSOLUTE = 2, 1  # CLOCK_PROCESS_CPUTIME_ID, TIMER_ABSTIME
_CAPABILITY_VERSION = 0x20080522
_READ_ANY, _OVERRIDE = 1 << 2, 1 << 1  # CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE


class Program(ctypes.Structure):
    """`struct sock_fprog`: a filter as the kernel wants it."""

    _fields_: ClassVar = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def enter(config: dict[str, Any]) -> None:
    """Become nobody, give up gaining rights, hide the files, as `config` says."""
    if not config["isolate"]:
        return
    if os.getuid() == 0:
        _become_nobody(config["uids"], config["reads"])
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    if config["landlock"]:
        try:
            landlock.restrict(config["landlock"])
        except landlock.NoLandlock as error:
            refuse(str(error))


def _become_nobody(uids: Sequence[int], reads: Sequence[str]) -> None:
    """Take a user number that nobody else has, and drop every capability.

    If that user cannot reach the folders to be read (an interpreter in root's home), the one
    capability to read is kept: what may be read is then up to the mounts or to Landlock alone.
    A container that has no other user, or lets none be changed to, leaves root's number without
    root's rights: as isolated as an ordinary user's sandbox.
    """
    _prctl(_PR_SET_KEEPCAPS, 1)
    changed = any(_change_user(uid) for uid in uids)
    held, kept = _permitted(), 0
    _set_capabilities(0, held)
    if changed and not all(os.access(folder, os.R_OK | os.X_OK) for folder in reads):
        kept = held & _READ_ANY or held & _OVERRIDE
        if not kept:
            refuse(f"an ordinary user cannot read all of {', '.join(reads)}")
    _set_capabilities(kept, kept)
    if _permitted() != kept or (changed and 0 in (*os.getresuid(), *os.getresgid())):
        refuse("root's rights could not be given up")


def _change_user(uid: int) -> bool:
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except OSError:
        return False
    return True


def _permitted() -> int:
    data = ctypes.create_string_buffer(24)
    header = struct.pack("<Ii", _CAPABILITY_VERSION, 0)
    if _libc().capget(header, data) != 0:
        refuse("the capabilities cannot be read")
    low, high = struct.unpack_from("<I", data, 4)[0], struct.unpack_from("<I", data, 16)[0]
    return low | high << 32


def _set_capabilities(effective: int, permitted: int) -> None:
    halves = [(bits & 0xFFFFFFFF, bits >> 32) for bits in (effective, permitted)]
    data = struct.pack("<6I", *(halves[k][n] if k < 2 else 0 for n in (0, 1) for k in (0, 1, 2)))
    if _libc().capset(struct.pack("<Ii", _CAPABILITY_VERSION, 0), data) != 0:
        refuse("the capabilities could not be dropped")


def _prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    if _libc().prctl(option, ctypes.c_ulong(value), zero, zero, zero) != 0:
        refuse(f"prctl {option}: {os.strerror(ctypes.get_errno())}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


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


def limit(kind: int, value: int, most: int | None = None) -> None:
    """Limit this process for good, to no more than it was limited to anyway."""
    hard = resource.getrlimit(kind)[1]
    top = value if most is None else most
    if hard != resource.RLIM_INFINITY:
        top = min(top, hard)
    resource.setrlimit(kind, (min(value, top), top))


class Stopwatch:
    """A timer of the kernel that ends a process once it has used its processor time.

    Exact where RLIMIT_CPU is not: that one counts whole seconds, and by samples, so that on a busy
    machine it may strike a fifth too early. The candidate cannot disarm it: the calls are refused.
    `numbers` are those of timer_create and timer_settime; None where there are none.
    """

    def __init__(self, numbers: Sequence[int] | None) -> None:
        self.numbers = numbers
        if numbers is None:
            return
        self.call = _libc().syscall
        self.call.restype = ctypes.c_long
        self.event = ctypes.create_string_buffer(struct.pack("<QiI48x", 0, signal.SIGKILL, 0))
        self.timer = ctypes.c_int()
        self.until = ctypes.create_string_buffer(32)

    def start(self, seconds: float) -> None:
        """In a child that has just been forked: it ends after `seconds` of processor time."""
        whole = -int(-seconds // 1)
        if self.numbers is None:
            limit(resource.RLIMIT_CPU, whole, whole + 1)
            return
        limit(resource.RLIMIT_CPU, 2 * whole + 1, 2 * whole + 2)
        create, settime = self.numbers
        struct.pack_into("<4q", self.until, 0, 0, 0, int(seconds), int(seconds % 1 * 1e9) or 1)
        if self.call(create, _PROCESS_CLOCK, self.event, ctypes.byref(self.timer)) != 0:
            os._exit(113)
        if self.call(settime, self.timer, _ABSOLUTE, self.until, None) != 0:
            os._exit(113)


def forker() -> Callable[[], int]:
    """What forks: the C library's own call while Python has one thread.

    There is then nothing that Python would have to put right in the child, and its hooks touch 200
    pages that would have to be copied: a quarter of a child's time. The child draws no number from
    a hook either: it seeds them itself.
    """
    if len(sys._current_frames()) > 1:
        return os.fork
    fork = ctypes.PyDLL(None).fork  # which keeps the interpreter's lock

    def split() -> int:
        pid = fork()
        if pid < 0:
            raise OSError("fork failed")
        return pid

    return split


def open_pid(pid: int) -> int:
    """A descriptor that can be read once `pid` has ended; -1 where the system has none."""
    return os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1


def spent() -> tuple[float, float]:
    """User and system seconds of this process and of the children that it reaped."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime for use in uses), sum(use.ru_stime for use in uses)


def refuse(sentence: str) -> NoReturn:
    """End the interpreter before it served anything."""
    sys.exit(f"lockdown: {sentence}")
