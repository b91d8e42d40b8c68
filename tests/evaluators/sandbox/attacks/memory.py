"""Attacks with memory and depth. A hog is bounded, so that a failing test leaves the machine up."""

# ruff: noqa: E501 (lines of candidates)
from __future__ import annotations

import zlib
from functools import partial

from attacks.case import SHORT, SMALL, Attack, attack

case = partial(attack, "memory")

HOG = """
import mmap, numpy, os

def attack(world):
    held, taken = [], 0
    while taken < 400:
        {take}
        taken += 20
    return world["breach"] + " took " + str(taken) + " MB"
"""


def hog(name: str, take: str, verdicts: str = "memory exception crashed forbidden") -> Attack:
    """Takes 20 MB after 20 MB, to 400, where 64 are allowed."""
    return case(name, HOG.format(take=take), verdicts, limits=SMALL, memory=200.0)


EXCEPTIONS = "memory exception crashed forbidden timeout bad_output"

ATTACKS: list[Attack] = [
    hog("hog-bytes", "held.append(bytearray(20 << 20))"),
    hog("hog-ones", "held.append(b'x' * (20 << 20))"),
    hog("hog-arrays", "held.append(numpy.ones((20 << 20) // 8))"),
    hog("hog-mapping", "held.append(mmap.mmap(-1, 20 << 20)); held[-1][:] = b'x' * (20 << 20)"),
    hog(
        "hog-private-mapping",
        "held.append(mmap.mmap(-1, 20 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)); "
        "held[-1][:] = b'x' * (20 << 20)",
    ),
    hog("hog-objects", "held.append([[] for _ in range((20 << 20) // 64)])", EXCEPTIONS),
    hog("hog-text", "held.append('\\u2603' * (10 << 20))"),
    hog("hog-memory-file", "fd = os.memfd_create('x'); os.write(fd, b'x' * (20 << 20))"),
    hog(
        "hog-pipes",
        "r, w = os.pipe(); __import__('fcntl').fcntl(w, 1031, 1 << 20); os.set_blocking(w, False); [os.write(w, b'x' * (1 << 20)) for _ in range(20)]",
    ),
    case(
        "hog-at-import",
        """
        held = [b"x" * (20 << 20) for _ in range(20)]

        def attack(world):
            return world["breach"]
        """,
        "memory exception crashed",
        limits=SMALL,
        memory=200.0,
    ),
    case(
        "hog-and-let-go",
        """
        def attack(world):
            for _ in range(3):
                big = bytearray(300 << 20)
                del big
            return world["breach"]
        """,
        "memory exception crashed",
        limits=SMALL,
        memory=200.0,
    ),
    case(
        "hog-after-an-error",
        """
        def attack(world):
            held = []
            for _ in range(200):
                try:
                    held.append(bytearray(5 << 20))
                except MemoryError:
                    pass
            if len(held) > 40:
                return world["breach"]
            raise MemoryError
        """,
        "memory exception crashed",
        limits=SMALL,
        memory=200.0,
    ),
    case(
        "wide-format",
        """
        def attack(world):
            return world["breach"] + str(len("{:1000000000}".format(7)))
        """,
        "memory exception crashed",
        limits=SMALL,
    ),
    case(
        "reserve-everything",
        """
        import mmap

        def attack(world):
            mmap.mmap(-1, 1 << 40)
            return world["breach"]
        """,
        "memory exception crashed forbidden",
        limits=SMALL,
    ),
    case(
        "deep-recursion",
        """
        def attack(world):
            return attack(world)
        """,
        "exception crashed memory",
    ),
    case(
        "deep-recursion-without-limit",
        """
        import sys

        def attack(world):
            sys.setrecursionlimit(1 << 30)
            def down(n):
                return [down(n + 1)]
            down(0)
        """,
        "exception crashed memory timeout",
        limits=SHORT,
    ),
    case(
        "deep-recursion-in-c",
        """
        import sys

        def attack(world):
            sys.setrecursionlimit(1 << 30)
            x = []
            for _ in range(200_000):
                x = [x]
            repr(x)
        """,
        "exception crashed memory timeout",
    ),
    case(
        "deep-comparison",
        """
        import sys

        def attack(world):
            sys.setrecursionlimit(1 << 30)
            def nest():
                x = ()
                for _ in range(200_000):
                    x = (x,)
                return x
            return nest() == nest()
        """,
        "exception crashed memory timeout",
    ),
    case(
        "deep-destruction",
        """
        def attack(world):
            x = None
            for _ in range(200_000):
                x = (x,)
            del x
            return 5
        """,
        "ok crashed memory exception",
        value=5,
    ),
    case(
        "compressed-bomb",
        """
        import zlib

        def attack(world):
            packed = zlib.compress(bytes(400 << 10), 9)
            stream = zlib.decompressobj()
            big = b"".join(zlib.decompress(packed) for _ in range(1000))
            return world["breach"] + str(len(big))
        """,
        "memory exception crashed",
        limits=SMALL,
        memory=200.0,
    ),
    case(
        "compressed-bomb-returned",
        """
        import zlib

        def attack(world):
            return zlib.compress(bytes(1 << 22), 9)
        """,
        "ok bad_output",
        value=zlib.compress(bytes(1 << 22), 9),
    ),
    case(
        "pickle-bomb-loaded",
        """
        import os, pickle

        class Bomb:
            def __reduce__(self):
                return os.system, ("touch " + path,)

        def attack(world):
            global path
            path = world["drop"] + "/" + world["mark"] + "-pickle"
            pickle.loads(pickle.dumps(Bomb()))
        """,
    ),
    case(
        "billion-laughs",
        """
        def attack(world):
            x = ["ha"] * 10
            for _ in range(9):
                x = [x] * 10
            return x
        """,
        "bad_output memory timeout exception",
    ),
    case(
        "endless-output-of-one-object",
        """
        def attack(world):
            x = [1]
            x.append(x)
            return x
        """,
        "bad_output exception",
    ),
    case(
        "huge-digits",
        """
        def attack(world):
            return 10 ** 200_000
        """,
        "bad_output exception",
    ),
    case(
        "pages-by-break",
        """
        import ctypes

        def attack(world):
            libc = ctypes.CDLL(None, use_errno=True)
            libc.sbrk.restype = ctypes.c_void_p
            start = libc.sbrk(ctypes.c_long(300 << 20))
            if start in (None, 2 ** 64 - 1):
                raise MemoryError
            ctypes.memset(start, 1, 300 << 20)
            return world["breach"]
        """,
        "memory exception crashed forbidden",
        limits=SMALL,
        memory=200.0,
    ),
]
