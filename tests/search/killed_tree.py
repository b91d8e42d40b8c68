"""One problem's search, killed with SIGKILL again and again: FOLDER, the strategy, how many kills.

Every child of a process that has everything loaded goes on with the run; it is killed when the log
holds a random number of responses more. Prints for each kill how many responses were logged, and
how many calls were asked again whose response the log held.
"""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

from reasoning.runlog import EVENTS, read_events
from search import compare, parse
from search.conformance.case import judged_by
from search.conformance.pace import Pace
from search.conformance.policies import Drawn
from search.conformance.process import Process
from search.conformance.scripted import ScriptedModel
from search.conformance.toy import ExactScorer, ToyTask

PROCESS = Process(6, "abcdefgh", {"012345": 1.0, "112345": 0.6, "512345": 0.4}, 0.1)
BUDGET = 5_000


class Noted(ScriptedModel):
    """Writes every call that is asked into the file `asked`, and takes `delay` seconds for it."""

    def __init__(self, asked: Path, delay: float) -> None:
        super().__init__(PROCESS, Drawn(), Pace("uneven"))
        self.asked, self.delay = asked, delay

    async def generate(self, prompt, sampling, ledger, seed):
        with self.asked.open("a") as file:
            file.write(f"{seed.text}\n")
        if self.delay:
            await asyncio.sleep(self.delay)
        return await super().generate(prompt, sampling, ledger, seed)


def run(folder: Path, strategy: str, delay: float = 0.0, out: bool = True):
    """The comparison of one arm on one problem, gone on with where there is something."""
    task = ToyTask("toy", (PROCESS.problem("one"),))
    arm = judged_by(parse(strategy), ExactScorer())
    return compare(
        {"arm": arm}, task, Noted(folder / "asked", delay), [BUDGET],
        out=folder / "run" if out else None, resume=True, progress=False,
    )  # fmt: skip


def logged(folder: Path) -> set[str]:
    """The keys of the calls whose responses the log holds."""
    if not (folder / "run" / EVENTS).exists():
        return set()
    events = (event for event in read_events(folder / "run") if event["kind"] == "response")
    return {event["reserved"][0]["key"] for event in events}


def main(folder: Path, strategy: str, kills: int) -> None:
    """Kill so many children at work."""
    rng, asked = random.Random(kills), folder / "asked"
    asked.touch()
    for _ in range(kills):
        before, size = logged(folder), asked.stat().st_size
        more = rng.randint(5, 40)
        child = os.fork()
        if child == 0:
            run(folder, strategy, delay=0.002)
            os._exit(0)
        file = folder / "run" / EVENTS
        first = file.read_bytes().count(b'"kind":"response"') if file.exists() else 0
        while not file.exists() or file.read_bytes().count(b'"kind":"response"') < first + more:
            if os.waitpid(child, os.WNOHANG) != (0, 0):
                sys.exit("the run was done before it was killed")
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.004))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)
        new = asked.read_bytes()[size:].decode().splitlines()
        print(len(logged(folder)), len(before & set(new)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
