"""Attacks by bare system calls: other entries to the kernel, and calls that no program needs.

The numbers are those of x86-64. A call that the kernel carried out is a breach; so is one that it
refused for its arguments alone, where `reached` names that error: then the caller was entitled.
"""

# ruff: noqa: E501 (lines of candidates)
from __future__ import annotations

from attacks.case import Attack, attack

HEAD = """
import ctypes, errno, mmap, os, struct

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

def call(number, *words):
    ctypes.set_errno(0)
    packed = [ctypes.c_char_p(w) if isinstance(w, bytes) else w if not isinstance(w, int)
              else ctypes.c_long(w) for w in words]
    return libc.syscall(ctypes.c_long(number), *packed)

def undone(made, undo):
    if made >= 0:
        undo(made)
    return made

def room(size, start=b""):
    return ctypes.create_string_buffer(start, size)

"""
ONE = """
def attack(world):
    path = (world["drop"] + "/" + world["mark"] + "-{name}").encode()
    ledger, secret = world["ledger"].encode(), world["secrets"][0].encode()
    pids = (os.getppid(), world["bystander"], world["supervisor"])
    result = {call}
    error = errno.errorcode.get(ctypes.get_errno(), "")
    if result >= 0 or error in {reached}:
        return world["breach"] + " " + str(result) + error
    return error
"""
TO_EACH = "max([{call} for pid in pids], default=-1)"


def call(name: str, text: str, reached: tuple[str, ...] = ()) -> Attack:
    """One system call; `path`, `ledger`, `secret` and `pids` are at hand."""
    source = HEAD + ONE.format(name=name, call=text, reached=reached)
    return attack("calls", name, source, machine="x86_64")


def each(name: str, text: str, reached: tuple[str, ...] = ()) -> Attack:
    """One system call for the parent, a bystander and the supervisor (`pid`)."""
    return call(name, TO_EACH.format(call=text), reached)


ENTRY = """
import ctypes, mmap, os

EXECUTE = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC

def attack(world):
    path = (world["drop"] + "/" + world["mark"] + "-{name}").encode() + bytes(1)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    at = libc.mmap(None, 8192, EXECUTE, 0x22 | 0x40, -1, 0)
    if at in (None, 2 ** 64 - 1):
        return "no page to execute"
    ctypes.memmove(at + 4096, path, len(path))
    code = b"\\x53"                                     # push rbx
    for prefix, value in ((b"\\xb8", {number}), (b"\\xbb", {one}), (b"\\xb9", {two}), (b"\\xba", {three})):
        code += prefix + (value & 0xFFFFFFFF).to_bytes(4, "little")
    code += b"\\xcd\\x80" + b"\\x5b\\xc3"                 # int 0x80; pop rbx; ret
    ctypes.memmove(at, code, len(code))
    result = ctypes.CFUNCTYPE(ctypes.c_int)(at)()
    return world["breach"] + str(result) if {breached} else result
"""


def entry(name: str, number: int, words: tuple[str, str, str], breached: str) -> Attack:
    """A call by `int 0x80`, the entry of 32-bit programs, whose numbers differ from ours."""
    one, two, three = words
    source = ENTRY.format(
        name=name, number=number, one=one, two=two, three=three, breached=breached
    )
    return attack("calls", name, source, machine="x86_64")


X32 = 0x40000000
ATTACKS: list[Attack] = [
    entry("entry-32-identity", 20, ("0", "0", "0"), "result == os.getpid()"),
    entry("entry-32-create", 8, ("at + 4096", "0o644", "0"), "result >= 0"),
    entry("entry-32-folder", 39, ("at + 4096", "0o755", "0"), "result == 0"),
    entry("entry-32-socket", 359, ("1", "1", "0"), "result >= 0"),
    entry("entry-32-user-namespace", 310, ("0x10000000", "0", "0"), "result == 0"),
    entry("entry-32-kill", 37, ('world["bystander"]', "10", "0"), "result == 0"),
    call("entry-x32-identity", f"call({X32} | 39)"),
    call("entry-x32-create", f"call({X32} | 85, path, 0o644)"),
    call("entry-x32-socket", f"call({X32} | 41, 1, 1, 0)"),
    call("entry-negative-number", "call(-1 & 0xFFFFFFFF00000000 | 39) if 0 else call((1 << 32) | 425, 8, room(120))"),
    call("raw-create", "call(85, path, 0o644)"),
    call("raw-open-to-write", "call(2, path, os.O_CREAT | os.O_WRONLY, 0o644)"),
    call("raw-openat-to-write", "call(257, -100, path, os.O_CREAT | os.O_WRONLY, 0o644)"),
    call("raw-openat2-to-write", "call(437, -100, path, struct.pack('<QQQ', os.O_CREAT | os.O_WRONLY, 0o644, 0), 24)"),
    call("raw-open-secret", "call(2, secret, 0, 0)"),
    call("raw-openat2-secret", "call(437, -100, secret, struct.pack('<QQQ', 0, 0, 0), 24)"),
    call("raw-open-path-only", "call(2, secret, os.O_PATH, 0)"),
    call("raw-folder", "call(83, path, 0o755)"),
    call("raw-node", "call(133, path, 0o100644, 0)"),
    call("raw-symlink", "call(88, secret, path)"),
    call("raw-hard-link", "call(86, ledger, path)"),
    call("raw-rename", "call(316, -100, ledger, -100, path, 0)"),
    call("raw-unlink", "call(87, ledger)"),
    call("raw-truncate", "call(76, ledger, 0)"),
    call("raw-mode", "call(90, ledger, 0o777)"),
    call("raw-mode-at", "call(452, -100, ledger, 0o777, 0)"),
    call("raw-owner", "call(92, ledger, -1, -1)"),
    call("raw-times", "call(280, -100, ledger, struct.pack('<4q', 1, 0, 1, 0), 0)"),
    call("raw-attributes", "call(188, ledger, b'user.x', b'1', 1, 0)"),
    call("raw-root-folder", "call(161, world['drop'].encode())"),
    call("raw-handle-of-file", "call(303, -100, ledger, room(136, struct.pack('<II', 128, 0)), room(8), 0)"),
    call("raw-fork", "(lambda r: r if r else os._exit(0))(call(57))"),
    call("raw-clone", "(lambda r: r if r else os._exit(0))(call(56, 17, 0, 0, 0, 0))"),
    call("raw-clone3", "(lambda r: r if r else os._exit(0))(call(435, struct.pack('<8Q', 0, 0, 0, 0, 17, 0, 0, 0), 64))"),
    call("raw-execute", "call(59, b'/bin/touch', (ctypes.c_char_p * 3)(b'touch', path), None)"),
    call("raw-execute-at", "call(322, -100, b'/bin/touch', (ctypes.c_char_p * 3)(b'touch', path), None, 0)"),
    each("raw-trace-seize", "call(101, 0x4206, pid, 0, 0)"),
    each("raw-trace-attach", "call(101, 16, pid, 0, 0) + call(101, 17, pid, 0, 0)"),
    call("raw-trace-me", "call(101, 0, 0, 0, 0)"),
    call("raw-read-process", """(lambda b: (call(310, world['supervisor'], struct.pack('<QQ', ctypes.addressof(b), 64), 1, struct.pack('<QQ', world['address'], min(64, world['length'])), 1, 0), print(b.raw.decode('latin-1')))[0])(room(64))"""),
    each("raw-write-process", "call(311, pid, struct.pack('<QQ', ctypes.addressof(room(8)), 1), 0, struct.pack('<QQ', 4096, 1), 0, 0)"),
    each("raw-open-process", "call(434, pid, 0)"),
    each("raw-take-descriptor", "call(438, call(434, pid, 0), 0, 0)"),
    each("raw-compare-processes", "call(312, os.getpid(), pid, 1, 0, 0)"),
    each("raw-thread-signal", "call(200, pid, 23)"),
    each("raw-group-signal", "call(234, pid, pid, 23)"),
    each("raw-queued-signal", "call(129, pid, 23, struct.pack('<iii', 23, 0, -1) + bytes(116))"),
    each("raw-limits-of-others", "call(302, pid, 4, None, room(16))"),
    each("raw-priority-of-others", "call(251, 1, pid, (2 << 13) | 4)"),
    each("raw-scheduler-of-others", "call(144, pid, 0, room(4))"),
    each("raw-advice-for-others", "call(440, call(434, pid, 0), struct.pack('<QQ', 0, 0), 0, 20, 0)"),
    each("raw-robust-list-of-others", "call(274, pid, room(8), room(8))"),
    call("raw-user-namespace", "call(272, 0x10000000)"),
    call("raw-file-table-apart", "call(272, 0x400 | 0x200)"),
    call("raw-enter-namespace", "call(308, call(2, b'/proc/1/ns/mnt', 0), 0)"),
    call("raw-mount", "call(165, b'none', world['drop'].encode(), b'tmpfs', 0, None)"),
    call("raw-file-system-context", "call(430, b'tmpfs', 0)"),
    call("raw-open-tree", "call(428, -100, world['drop'].encode(), 1)"),
    call("raw-unmount", "call(166, world['drop'].encode(), 2)", ("EINVAL",)),
    call("raw-io-ring", "call(425, 8, room(120))"),
    call("raw-kernel-program", "call(321, 0, struct.pack('<IIII', 2, 4, 8, 1) + bytes(112), 128)"),
    call("raw-performance-counter", "call(298, struct.pack('<IIQ', 1, 112, 0) + bytes(24) + struct.pack('<Q', 0x61) + bytes(64), 0, -1, -1, 0)"),
    call("raw-fault-handler", "call(323, 1)"),
    call("raw-key", "undone(call(248, b'user', b'stash', b'kept', 4, -4), lambda k: call(250, 9, k, -4))"),
    call("raw-keyring", "call(250, 0, -4, 1)"),
    call("raw-session-keyring", "call(250, 1, None)"),
    call("raw-shared-segment", "undone(call(29, 0, 4096, 0o1600), lambda i: call(31, i, 0, None))"),
    call("raw-message-queue", "undone(call(68, 0, 0o1600), lambda i: call(71, i, 0, None))"),
    call("raw-semaphores", "undone(call(64, 0, 1, 0o1600), lambda i: call(66, i, 0, 0))"),
    call("raw-posix-queue", "undone(call(240, b'stash', os.O_CREAT | os.O_RDWR, 0o600, None), lambda fd: call(241, b'stash'))"),
    call("raw-watch", "call(294, 0)"),
    call("raw-watch-all", "call(300, 0, 0)"),
    call("raw-socket", "call(41, 1, 1, 0)"),
    call("raw-socket-pair", "call(53, 1, 1, 0, room(8))"),
    call("raw-kernel-log", "call(103, 3, room(4096), 4096)"),
    call("raw-host-name", "call(170, b'x', -1)", ("EINVAL",)),
    call("raw-clock", "call(164, None, None)"),
    call("raw-clock-of-all", "call(227, 0, struct.pack('<qq', *divmod(__import__('time').time_ns(), 10**9)))"),
    call("raw-restart", "call(169, 1, 2, 3, None)", ("EINVAL",)),
    call("raw-swap", "call(167, None, 0)", ("EFAULT",)),
    call("raw-accounting", "call(163, None)"),
    call("raw-module", "call(175, room(8), 0, b'')", ("ENOEXEC", "EFAULT")),
    call("raw-ports", "call(172, 3)"),
    call("raw-segments", "call(154, 0, room(64), 64)"),
    call("raw-secret-memory", "call(447, 0)"),
    call("raw-memory-file", "call(319, b'x', 0)"),
    call("raw-user", "call(105, 0) if os.getuid() else -1"),
    call("raw-capabilities", "(lambda b: -1 if (call(125, struct.pack('<Ii', 0x20080522, 0), b), struct.unpack('<6I', b.raw)[0] or struct.unpack('<6I', b.raw)[3])[1] == 0 else 1)(room(24))"),
    call("raw-move-pages", "call(256, os.getppid(), 8, struct.pack('<Q', 1), struct.pack('<Q', 1))"),
    call("raw-lock-memory", "call(151, 3)"),
    call("raw-quota", "call(179, 0x80000100, None, 0, None)"),
    call("raw-splice-to-secret", "call(275, call(2, secret, 0), None, os.pipe()[1], None, 64, 0)"),
    call("raw-pipe-page", "call(278, os.pipe()[1], struct.pack('<QQ', ctypes.addressof(room(64)), 64), 1, 8)"),
    call("raw-filter-of-its-own", "call(317, 1, 8, struct.pack('<HHIQ', 1, 0, 0, ctypes.addressof(room(8, struct.pack('<HBBI', 6, 0, 0, 0x7fff0000)))))"),
    call("raw-real-time", "call(144, 0, 1, struct.pack('<i', 1))"),
]  # fmt: skip
