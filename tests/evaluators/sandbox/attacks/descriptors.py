"""Attacks on the descriptors that carry request and answer: closing, filling, forging, blocking."""

from __future__ import annotations

from functools import partial

from attacks.case import SHORT, Attack, attack

case = partial(attack, "descriptors")

EVERY = """
import fcntl, json, os, struct, sys, time

def attack(world):
    for fd in range(64):
        try:
            {action}
        except (OSError, ValueError):
            pass
    return 4
"""
LOOSE = "ok crashed exception timeout bad_output forbidden memory"


def every(name: str, action: str, verdicts: str = LOOSE) -> Attack:
    """Do something to every descriptor there is, then answer."""
    return case(name, EVERY.format(action=action), verdicts, limits=SHORT)


FORGE = """
import json, os, struct, sys, time

VALUE = {value}
TEXTS = [
    json.dumps(VALUE),
    json.dumps({{"verdict": "ok", "value": VALUE, "cpu": 0, "wall": 0, "memory_mb": 0}}),
    json.dumps({{"ok": VALUE}}),
    json.dumps(["ok", VALUE]),
]

def attack(world):
    for fd in range(64):
        for text in TEXTS:
            raw = text.encode()
            for head in (struct.pack(">I", len(raw)), struct.pack("<I", len(raw)),
                         struct.pack(">Q", len(raw)), struct.pack("<Q", len(raw)), b""):
                if fd not in (1, 2) or {printed}:
                    try:
                        os.write(fd, head + raw + (b"" if head else b"\\n"))
                    except OSError:
                        pass
    {after}
"""


def forge(name: str, value: str, after: str = "os._exit(0)", printed: bool = False) -> Attack:
    """Write frames that look like an answer, in several dialects, to every descriptor."""
    source = FORGE.format(value=value, after=after, printed=printed)
    return case(name, source, LOOSE, limits=SHORT)


ATTACKS: list[Attack] = [
    every("close-everything", "os.close(fd)"),
    every("onto-everything-nothing", "os.dup2(os.open('/dev/null', os.O_RDWR), fd)"),
    every("onto-everything-standard-output", "fd != 1 and os.dup2(1, fd)"),
    every("onto-everything-a-pipe", "os.dup2(os.pipe()[1], fd)"),
    every("no-blocking", "os.set_blocking(fd, False)"),
    every("no-blocking-by-control", "fcntl.ioctl(fd, 0x5421, struct.pack('i', 1))"),
    every("signal-driven", "fcntl.fcntl(fd, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)"),
    every("smallest-pipes", "fcntl.fcntl(fd, 1031, 4096)"),
    every("seek-back", "os.lseek(fd, 0, 0)"),
    every("cut-shared-files", "os.ftruncate(fd, 0)"),
    every("read-what-is-not-ours", "os.set_blocking(fd, True); os.read(fd, 1 << 16)"),
    every("write-to-read-ends", "fd not in (1, 2) and os.write(fd, b'{}' * 9)"),
    every("garbage-frames", "os.write(fd, os.urandom(4096))"),
    every("shut-sockets-down", "__import__('socket').socket(fileno=fd).shutdown(2)"),
    every("seal-memory-files", "fcntl.fcntl(fd, 1033, 15)"),
    every("lock-shared-files", "fcntl.flock(fd, fcntl.LOCK_EX)"),
    every("give-away", "fcntl.fcntl(fd, fcntl.F_SETOWN, world['supervisor'])"),
    every("inherit-all", "os.set_inheritable(fd, True)"),
    case(
        "use-up-descriptors",
        """
        import os

        def attack(world):
            held = []
            try:
                while True:
                    held.append(os.dup(0))
            except OSError:
                pass
            if len(held) > 200:
                return world["breach"] + str(len(held))
            return 4
        """,
        LOOSE,
    ),
    forge("forged-answer", '{"score": 1e9}'),
    forge("forged-answer-then-a-loop", '{"score": 1e9}', "\n    while True: pass"),
    forge("forged-answer-then-the-true-one", '{"score": 1e9}', "return 5"),
    forge("forged-answer-then-an-error", '{"score": 1e9}', "raise ValueError"),
    forge("forged-print", '{"score": 1e9}', "return 5", True),
    forge("forged-constants", 'float("nan")'),
    forge("forged-depth", '__import__("functools").reduce(lambda x, _: [x], range(900), 0)'),
    forge("forged-length", '"x" * 100_000'),
    case(
        "frame-of-four-gigabytes",
        """
        import os, time

        def attack(world):
            for fd in range(64):
                if fd not in (1, 2):
                    try:
                        os.write(fd, b"\\xff" * 8)
                    except OSError:
                        pass
            time.sleep(60)
        """,
        LOOSE,
        limits=SHORT,
    ),
    case(
        "half-a-frame",
        """
        import os, time

        def attack(world):
            for fd in range(64):
                if fd not in (1, 2):
                    try:
                        os.write(fd, b"\\x00\\x00")
                    except OSError:
                        pass
            os._exit(0)
        """,
        LOOSE,
        limits=SHORT,
    ),
    case(
        "slow-writer",
        """
        import os, time

        def attack(world):
            while True:
                for fd in range(64):
                    if fd not in (1, 2):
                        try:
                            os.write(fd, b"\\x00")
                        except OSError:
                            pass
                time.sleep(0.01)
        """,
        LOOSE,
        limits=SHORT,
    ),
    case(
        "endless-writer",
        """
        import os

        def attack(world):
            raw = b"[" * 65536
            while True:
                for fd in range(64):
                    if fd not in (1, 2):
                        try:
                            os.write(fd, raw)
                        except OSError:
                            pass
        """,
        LOOSE,
        limits=SHORT,
    ),
    case(
        "hidden-processor-time",
        """
        import os, time

        def attack(world):
            end = time.process_time() + 0.15
            while time.process_time() < end:
                pass
            os.times = time.process_time = lambda: 0
            import resource
            resource.getrusage = lambda *a: None
            return 6
        """,
        "ok",
        value=6,
        processor=0.12,
    ),
    case(
        "close-then-reopen",
        """
        import os

        def attack(world):
            for fd in range(3, 64):
                try:
                    os.close(fd)
                except OSError:
                    pass
            while True:
                try:
                    r, w = os.pipe()
                except OSError:
                    break
                os.write(w, b"{}" * 100)
            return 6
        """,
        LOOSE,
        limits=SHORT,
    ),
]
