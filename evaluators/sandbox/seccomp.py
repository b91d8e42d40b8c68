"""The filter of system calls: what Python and numpy need is allowed, all else refused.

Two programs for the kernel's classic BPF. `outer()` goes into the warm interpreter once, before it
sees any request, and is inherited: the allow-list, with the arguments checked where a call can do
good or ill. `inner()` goes into each child and takes away the few calls that only the warm
interpreter needs (fork, kill, messages with descriptors, filters); short, because it is installed
once for every candidate. A call must pass both.

Refused calls fail with the error number 1000 + their own number, so that an uncaught OSError names
the call; a few, which libraries try and do without, fail as on a system that lacks them; those that
no honest program makes, and any entry that is not this machine's own (32-bit, x32), end the process
(SIGSYS).
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterable

from evaluators.sandbox.child import BASE_ERRNO
from evaluators.sandbox.syscalls import numbers

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

ALLOWED = """
read write close fstat newfstatat stat lstat statx poll ppoll select pselect6 lseek pread64 readv
writev access faccessat faccessat2 getcwd getdents64 dup dup2 dup3 close_range
mmap mprotect munmap mremap brk madvise futex
rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending sigaltstack restart_syscall pause
nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time
alarm setitimer getitimer sched_yield sched_getaffinity getcpu membarrier
getpid gettid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp getpgid
getsid getrusage getrlimit times uname sysinfo getrandom set_robust_list rseq
set_tid_address wait4 waitid exit exit_group
""".split()  # noqa: SIM905

WARM_ONLY = (
    "clone", "fork", "kill", "prctl", "pidfd_open", "sendto", "recvfrom", "sendmsg", "recvmsg",
    "timer_create", "timer_settime",
)  # fmt: skip
"""Allowed by the outer filter (clone and prctl for one use each), taken away by the inner."""

_CHECKED = ("open", "openat", "fcntl", "ioctl", "prlimit64", "clone", "prctl")

DEADLY = """
ptrace process_vm_readv process_vm_writev process_madvise kcmp bpf perf_event_open userfaultfd
keyctl add_key request_key io_uring_setup io_uring_enter io_uring_register
mount umount2 pivot_root chroot move_mount open_tree fsopen fsmount fspick mount_setattr
unshare setns init_module finit_module delete_module kexec_load kexec_file_load reboot
swapon swapoff acct iopl ioperm modify_ldt open_by_handle_at name_to_handle_at
pidfd_getfd pidfd_send_signal memfd_secret
""".split()  # noqa: SIM905

ABSENT = ("clone3", "openat2", "mbind", "get_mempolicy", "set_mempolicy", "sched_setaffinity")

LINKS = ("readlink", "readlinkat")
"""Where a symbolic link leads is something written, which Landlock does not hide: "no link"."""

_LOAD, _RETURN, _RETURN_A, _ADD = 0x20, 0x06, 0x16, 0x04
_EQUAL, _AT_LEAST, _ANY_BIT = 0x15, 0x35, 0x45
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_TOO_HIGH = 1024  # no machine has so many calls; x32 marks its own with a higher bit

_WRITING = 0o3 | 0o100 | 0o1000 | 0o20000000  # not O_RDONLY, O_CREAT, O_TRUNC, O_TMPFILE
_PLACE_ONLY = 0o10000000  # O_PATH, which Landlock lets pass
_FCNTL = (0, 1, 2, 3, 4, 1030)  # duplicate, descriptor flags, status flags
_IOCTL = (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5450, 0x5451)  # terminal?, size, bytes, close-exec
_FORK_FLAGS = 0x01000000 | 0x00200000 | 0xFF  # set and clear the child's id, a signal at its end
_PR_SET_SECCOMP = 22


class NoFilter(Exception):
    """This machine has no table of system calls here."""


def outer(machine: str | None = None) -> bytes:
    """The allow-list, for the warm interpreter and all that it forks."""
    known = _known(machine)
    code = [
        _op(_LOAD, _ARCH),
        _op(_EQUAL, _AUDIT[machine or platform.machine()], 1, 0),
        _op(_RETURN, _KILL),
        _op(_LOAD, _NUMBER),
        _op(_AT_LEAST, _TOO_HIGH, 0, 1),
        _op(_RETURN, _KILL),
    ]
    for name, place in (("open", 1), ("openat", 2)):
        code += _rule(known, name, _no_bits(place, _WRITING | _PLACE_ONLY, _ERRNO | errno.EROFS))
    code += _rule(known, "fcntl", _one_of(1, _FCNTL))
    code += _rule(known, "ioctl", _one_of(1, _IOCTL))
    code += _rule(known, "prlimit64", _one_of(0, (0,)))
    code += _rule(known, "clone", _no_bits(0, ~_FORK_FLAGS & 0xFFFFFFFF, _ERRNO | errno.EPERM))
    code += _rule(known, "prctl", _one_of(0, (_PR_SET_SECCOMP,)))
    for name in [*ALLOWED, *WARM_ONLY]:
        if name not in _CHECKED:
            code += _rule(known, name, [_op(_RETURN, _ALLOW)])
    for name in DEADLY:
        code += _rule(known, name, [_op(_RETURN, _KILL)])
    for name in ABSENT:
        code += _rule(known, name, [_op(_RETURN, _ERRNO | errno.ENOSYS)])
    for name in LINKS:
        code += _rule(known, name, [_op(_RETURN, _ERRNO | errno.EINVAL)])
    return b"".join([*code, *_named()])


def inner(machine: str | None = None) -> bytes:
    """What a child loses beyond the outer filter."""
    known = _known(machine)
    lost = [known[name] for name in WARM_ONLY if name in known]
    code = [_op(_LOAD, _NUMBER)]
    code += [_op(_EQUAL, number, len(lost) - n, 0) for n, number in enumerate(lost)]
    return b"".join([*code, _op(_RETURN, _ALLOW), *_named()])


def _known(machine: str | None) -> dict[str, int]:
    machine = machine or platform.machine()
    if machine not in _AUDIT:
        raise NoFilter(f"the filter of system calls has no table for {machine}")
    return numbers(machine)


def _op(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
    """One instruction; `yes` and `no` are how many to skip."""
    return struct.pack("<HBBI", code, yes, no, k)


def _rule(known: dict[str, int], name: str, body: list[bytes]) -> list[bytes]:
    """`body` (which returns) for the call `name`; nothing where the machine lacks it."""
    return [_op(_EQUAL, known[name], 0, len(body)), *body] if name in known else []


def _no_bits(place: int, bits: int, otherwise: int) -> list[bytes]:
    """Allow if the low half of argument `place` has none of `bits`; the kernel reads no more."""
    return [
        _op(_LOAD, _ARGUMENTS + 8 * place),
        _op(_ANY_BIT, bits, 1, 0),
        _op(_RETURN, _ALLOW),
        _op(_RETURN, otherwise),
    ]


def _one_of(place: int, values: Iterable[int]) -> list[bytes]:
    """Allow if the low half of argument `place` is one of `values`; the kernel reads no more."""
    values = list(values)
    load, refuse = [_op(_LOAD, _ARGUMENTS + 8 * place)], _named()
    last = len(values) + len(refuse) - 1  # the place of the final instruction, after the load
    test = [_op(_EQUAL, value, last - n, 0) for n, value in enumerate(values)]
    return [*load, *test, *refuse, _op(_RETURN, _ALLOW)]


def _named() -> list[bytes]:
    """Refuse with the error number that names the call."""
    return [_op(_LOAD, _NUMBER), _op(_ADD, _ERRNO + BASE_ERRNO), _op(_RETURN_A, 0)]
