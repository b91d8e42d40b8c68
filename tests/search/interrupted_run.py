"""A run to be interrupted, as a program: FOLDER, and how it is started: script, thread, coroutine
or killed (20 children of a process that has everything loaded, each killed at a random moment)."""

import asyncio
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from toy_lab import ARMS, Scripted, logged, toy

from search import compare, compare_async

PROBLEMS, BUDGET, KILLS = 24, 64, 20


def arguments(folder: Path, delay: float = 0.006):
    model = Scripted(delay=delay, asked=folder / "asked")
    return {
        "strategies": list(ARMS), "task": toy(PROBLEMS), "model": model, "budgets": [BUDGET],
        "out": folder / "run", "resume": True, "concurrency": 3,
    }  # fmt: skip


def killed(folder: Path) -> None:
    """Each child goes on with the run. Prints how many were killed at work, and how often a call
    was asked whose response had been logged."""
    rng, kills, repeated = random.Random(3), 0, 0
    asked = folder / "asked"
    asked.touch()
    for _ in range(KILLS):
        before = logged(folder / "run")
        size = asked.stat().st_size
        child = os.fork()
        if child == 0:
            compare(**arguments(folder, delay=0.03))  # too slow to be done before the last kill
            os._exit(0)
        time.sleep(rng.uniform(0.01, 0.2))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        kills += os.WIFSIGNALED(status)
        new = asked.read_bytes()[size:].decode().splitlines()
        repeated += len(before & set(new))
    print(kills, repeated)


if __name__ == "__main__":
    place, how = Path(sys.argv[1]), sys.argv[2]
    if how == "script":
        compare(**arguments(place))
    elif how == "thread":
        thread = threading.Thread(target=lambda: compare(**arguments(place)), daemon=True)
        thread.start()
        thread.join()
    elif how == "coroutine":
        asyncio.run(compare_async(**arguments(place)))
    elif how == "killed":
        killed(place)
