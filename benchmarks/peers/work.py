"""The work that `benchmarks/evolve.py` gives to every system: a program that takes about 1 ms.

Imports nothing but the standard library: the peers run it in environments of their own.
"""

from __future__ import annotations

import itertools
import os
import time

_numbers = itertools.count(1)


def score_of(number: int) -> float:
    """The score of program `number`, in [0, 1): scattered, so that the best changes now and then
    and programs are spread over the population."""
    return number * 2654435761 % 2**32 / 2**32


def program(number: int, turns: int, name: str = "work") -> str:
    """Source of program `number`: `turns` turns of a loop, then its score. Every number gives
    another program."""
    return (
        f"def {name}(x: int) -> float:\n"
        f"    total = 0\n"
        f"    for i in range({turns}):\n"
        f"        total += i ^ x\n"
        f"    return {score_of(number)!r} + 0 * total\n"
    )


def fresh(turns: int, name: str = "work") -> str:
    """A program that no other call in any process has given: what an instant model writes."""
    return program(os.getpid() * 1_000_003 + next(_numbers), turns, name)


def turns_for(milliseconds: float = 1.0) -> int:
    """How many turns of the loop take so much processor time here, at its quickest."""
    namespace: dict = {}
    exec(program(0, 20_000), namespace)
    taken = []
    for _ in range(100):
        began = time.process_time()
        namespace["work"](1)
        taken.append(time.process_time() - began)
    return max(1, round(20_000 * milliseconds / 1e3 / min(taken)))


def stamp(path: str, said: str = "") -> None:
    """Append a line to a file: the time, and the last line of what was evaluated. An evaluation has
    ended. Safe from several processes."""
    last = said.rstrip().rpartition("\n")[2].strip()
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{time.time():.6f} {last}\n".encode())
    finally:
        os.close(file)
