"""The filter of system calls, decided by a small machine for the kernel's BPF, without a kernel."""

from __future__ import annotations

import errno
import struct

import pytest

from evaluators.sandbox.child import BASE_ERRNO
from evaluators.sandbox.seccomp import (
    ABSENT,
    ALLOWED,
    DEADLY,
    LINKS,
    WARM_ONLY,
    NoFilter,
    inner,
    outer,
)
from evaluators.sandbox.syscalls import ARCHITECTURES, name_of, numbers

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
CHECKED = {"open", "openat", "fcntl", "prlimit64"}  # with arguments of nought


def run(program: bytes, number: int, arch: int, arguments: tuple[int, ...] = ()) -> int:
    """What `program` returns for a call: the instructions that the filter uses, by their manual."""
    full = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<iIQ6Q", number if number < 2**31 else number - 2**32, arch, 0, *full)
    code = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    a, at = 0, 0
    while True:
        op, yes, no, k = code[at]
        at += 1
        if op == 0x20:
            (a,) = struct.unpack_from("<I", data, k)
        elif op == 0x04:
            a = (a + k) % 2**32
        elif op == 0x06:
            return k
        elif op == 0x16:
            return a
        elif op in (0x15, 0x35, 0x45):
            at += yes if {0x15: a == k, 0x35: a >= k, 0x45: bool(a & k)}[op] else no
        else:
            raise AssertionError(f"unknown instruction {op:#x}")


@pytest.fixture(params=ARCHITECTURES)
def machine(request: pytest.FixtureRequest) -> str:
    return request.param


def verdict(machine: str, name: str, *arguments: int, child: bool = True) -> int:
    """As the kernel combines them: the strictest of both programs (the lowest, kill aside)."""
    programs = [outer(machine), inner(machine)] if child else [outer(machine)]
    number = numbers(machine)[name]
    answers = [run(program, number, AUDIT[machine], arguments) for program in programs]
    return KILL if KILL in answers else min(answers)


def refused(machine: str, name: str) -> int:
    return REFUSE | BASE_ERRNO + numbers(machine)[name]


def test_a_child_is_allowed_the_list_and_nothing_else(machine) -> None:
    allowed = {name for name in numbers(machine) if verdict(machine, name) == ALLOW}
    expected = (set(ALLOWED) | CHECKED) & set(numbers(machine))
    assert allowed == expected
    assert not set(WARM_ONLY) & allowed and not set(DEADLY) & allowed


def test_every_refusal_is_a_death_an_absence_or_bears_the_calls_number(machine) -> None:
    for name in numbers(machine):
        answer = verdict(machine, name)
        if name in DEADLY:
            assert answer == KILL, name
        elif name in LINKS:
            assert answer == REFUSE | errno.EINVAL, name
        elif name in ABSENT:
            assert answer == REFUSE | errno.ENOSYS, name
        else:
            assert answer in (ALLOW, refused(machine, name)), name


def test_unknown_and_foreign_calls_kill(machine) -> None:
    for program in (outer(machine),):
        for number in (1024, 2**30, 2**30 | 59, 2**31 - 1, 2**32 - 1):
            assert run(program, number, AUDIT[machine]) == KILL
        for arch in (0x40000003, 0xC000003E, 0xC00000B7, 0x40000028, 0):
            if arch != AUDIT[machine]:
                assert run(program, numbers(machine)["read"], arch) == KILL
        assert run(program, 1023, AUDIT[machine]) == REFUSE | BASE_ERRNO + 1023


@pytest.mark.parametrize(
    ("flags", "answer"),
    [
        (0, ALLOW),
        (0o2000000 | 0o200000, ALLOW),  # close on exec, directory
        (1, REFUSE | errno.EROFS),
        (2, REFUSE | errno.EROFS),
        (3, REFUSE | errno.EROFS),
        (0o10000000, REFUSE | errno.EROFS),
        (0o100, REFUSE | errno.EROFS),
        (0o1000, REFUSE | errno.EROFS),
        (0o20200000, REFUSE | errno.EROFS),
        (1 << 32, ALLOW),  # the kernel reads the low half
        (1 << 32 | 2, REFUSE | errno.EROFS),
    ],
    ids=oct,
)
def test_files_open_for_reading_only(machine, flags, answer) -> None:
    assert verdict(machine, "openat", 0, 0, flags) == answer
    if machine == "x86_64":
        assert verdict(machine, "open", 0, flags) == answer


@pytest.mark.parametrize(
    ("name", "arguments", "allowed"),
    [
        ("fcntl", (0, 0), True),
        ("fcntl", (0, 3), True),
        ("fcntl", (0, 4), True),
        ("fcntl", (0, 1030), True),
        ("fcntl", (0, 8), False),  # F_SETOWN: signals to others
        ("fcntl", (0, 10), False),  # F_SETSIG
        ("fcntl", (0, 15), False),  # F_SETOWN_EX
        ("fcntl", (0, 6), False),  # F_SETLK
        ("fcntl", (0, 1024), False),  # F_SETLEASE
        ("fcntl", (0, 1 << 32 | 8), False),
        ("ioctl", (0, 0x5401), True),
        ("ioctl", (0, 0x5412), False),  # TIOCSTI: keys typed into a terminal
        ("ioctl", (0, 0x8901), False),  # FIOSETOWN
        ("ioctl", (0, 0x5452), False),  # FIOASYNC
        ("prlimit64", (0, 7), True),
        ("prlimit64", (1, 7), False),  # another process's limits
        ("prlimit64", (1 << 32, 7), True),
        ("prlimit64", (2**32 - 1, 7), False),
    ],
    ids=str,
)
def test_arguments_decide_where_a_call_can_do_good_or_ill(
    machine, name, arguments, allowed
) -> None:
    assert verdict(machine, name, *arguments) == (ALLOW if allowed else refused(machine, name))


def test_the_warm_interpreter_may_fork_and_filter_but_neither_unshare_nor_loosen(machine) -> None:
    fork = 0x01000000 | 0x00200000 | 17
    assert verdict(machine, "clone", fork, child=False) == ALLOW
    assert verdict(machine, "clone", fork) == refused(machine, "clone")
    for namespace in (0x10000000, 0x20000000, 0x40000000, 0x00020000, 0x00000100, 0x00010000):
        answer = verdict(machine, "clone", fork | namespace, child=False)
        assert answer == REFUSE | errno.EPERM
    assert verdict(machine, "prctl", 22, 2, child=False) == ALLOW
    for option in (4, 8, 1, 15, 31, 47, 0x59616D61):
        assert verdict(machine, "prctl", option, child=False) == refused(machine, "prctl")


def test_only_machines_with_a_table_have_a_filter() -> None:
    with pytest.raises(NoFilter, match="riscv64"):
        outer("riscv64")


def test_calls_are_named_by_their_numbers() -> None:
    assert (numbers("x86_64")["clone"], numbers("aarch64")["clone"]) == (56, 220)
    assert (name_of(41, "x86_64"), name_of(198, "aarch64")) == ("socket", "socket")
    assert "open" not in numbers("aarch64") and name_of(9999, "x86_64") == "number 9999"
    assert all(set(names) <= set(numbers("x86_64")) for names in (ALLOWED, DEADLY, WARM_ONLY))
