"""Runs that are killed and taken up again, for `benchmarks/evolve.py --kill`."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from peers.tree import descendants

from reasoning.runlog import read_events

HERE = Path(__file__).parent


def killing(evaluations: int, kills: int, seed: int) -> None:
    """Kill a run at random moments and compare it with one that was left alone."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        whole, cut = Path(folder) / "whole", Path(folder) / "cut"
        print("killing: the run left alone", file=sys.stderr)
        alone = _finished(evaluations, whole, Path(folder) / "whole.stamps")
        stamps = Path(folder) / "cut.stamps"
        moments = sorted(rng.randrange(1, evaluations) for _ in range(kills))
        survivors, killed_at = 0, []
        for moment in moments:
            process = _begin(evaluations, cut, stamps)
            while process.poll() is None and _lines(stamps) < moment:
                time.sleep(0.005)
            time.sleep(rng.random() / 20)
            if process.poll() is not None:
                break
            family = descendants(process.pid)
            process.kill()
            process.wait()
            killed_at.append(_lines(stamps))
            survivors += len(_alive(family[1:], 5.0))
            print(f"killing: {len(killed_at)} of {kills} at {killed_at[-1]}", file=sys.stderr)
        again = _finished(evaluations, cut, stamps)
        differ = _programs(whole) != _programs(cut)
        rows = Counter(e["k"] for e in read_events(cut) if e["kind"] == "program")
        said = Counter(line.split()[2] for line in stamps.read_text().splitlines())
    same = alone["BEST"] == again["BEST"]
    print("\n## Killed and taken up again\n")
    print(f"{evaluations:,} instant evaluations, killed with SIGKILL {len(killed_at)} times, after")
    print(f"{', '.join(f'{at:,}' for at in killed_at)} evaluations.\n")
    print(f"- best program of the run left alone: number {alone['BEST'][0]}, of the killed run:")
    print(f"  number {again['BEST'][0]}; {'the same' if same else '**another**'} score")
    told = "**not** the same" if differ else "the same"
    print(f"- sources, parents and scores of all programs: {told}")
    print(f"- programs in the log: {len(rows):,}; twice in it: {sum(n > 1 for n in rows.values())}")
    twice = sum(n - 1 for n in said.values())
    print(f"- evaluations that ended twice: {twice} ({8 * len(killed_at)} or fewer were in flight)")
    print(f"- processes alive 5 s after their run was killed: {survivors}")
    told = ", ".join(f"{m} MB at {int(n):,}" for n, m in zip(*alone["RSS"], strict=True))
    print(f"- memory of the run left alone: {told}")
    told = ", ".join(f"{m} MB at {int(n):,}" for n, m in zip(*again["RSS"], strict=True))
    print(f"- memory of the last session of the killed run: {told}")


def _programs(folder: Path) -> dict[int, tuple[object, ...]]:
    """Source, parents and score by number, as logged."""
    rows = (event for event in read_events(folder) if event["kind"] == "program")
    return {e["k"]: (e["source"], tuple(e["parents"]), (e["evaluation"] or {}).get("score"))
            for e in rows}  # fmt: skip


def _begin(evaluations: int, folder: Path, stamps: Path) -> subprocess.Popen[str]:
    driver = [sys.executable, str(HERE / "peers" / "run_ours.py")]
    return subprocess.Popen(
        [*driver, str(evaluations), "0", str(stamps), "2", str(folder)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def _finished(evaluations: int, folder: Path, stamps: Path) -> dict[str, list[list[str]]]:
    """Run to the end. What it said: BEST (number, score, commits), RSS (counts, megabytes)."""
    process = _begin(evaluations, folder, stamps)
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the run ended with status {process.returncode}")
    lines = [line.split() for line in said.splitlines()]
    counts = [line[1:] for line in lines if line[0] == "RSS" and int(line[1]) >= 2_000]
    best = next(line[1:] for line in lines if line[0] == "BEST")
    return {"BEST": best, "RSS": [[c for c, _ in counts], [m for _, m in counts]]}  # type: ignore


def _alive(pids: list[int], patience: float) -> list[int]:
    """Which of the processes are still there after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        left = [pid for pid in pids if Path(f"/proc/{pid}").exists() and not _reaped(pid)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def _reaped(pid: int) -> bool:
    """Whether an orphan that this process has inherited is dead."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return False


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
