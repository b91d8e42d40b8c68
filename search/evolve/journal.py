"""Journal: a worker's latest answers on disk, in case nobody lives to read them from its pipe.

Where the process that writes the run log is killed, evaluations may be done that it had not logged
yet. Each worker keeps its last SLOTS answers, a file each, written over and over; a resumed run
takes them from there.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = "answers"
SLOTS = 4
"""More than a worker can have answered while none of it was logged."""

Key = tuple[Any, ...]


def key_of(job: Mapping[str, Any]) -> Key:
    """What an answer depends on, of a job's row."""
    return tuple(job[name] for name in ("source", "split", "floor", "audit", "artefact"))


class Journal:
    """The answers of this worker process."""

    def __init__(self, folder: str) -> None:
        Path(folder).mkdir(exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
        names = (f"{os.getpid()}-{slot}.json" for slot in range(SLOTS))
        self._files = [os.open(Path(folder) / name, flags, 0o666) for name in names]
        self._count = 0

    def note(self, job: bytes, answer: bytes) -> None:
        """Write the answer to a job down (both JSON objects), in the place of the oldest."""
        file = self._files[self._count % SLOTS]
        self._count += 1
        try:
            os.ftruncate(file, 0)
            os.pwrite(file, b'{"job":%b,"answer":%b}' % (job, answer), 0)
        except OSError:  # a full disk: half an answer is none, and the run log will tell of it
            return


def recover(folder: Path) -> dict[Key, dict[str, Any]]:
    """The answers that a killed session left; half-written ones are no answers."""
    found = {}
    for file in (folder / FOLDER).glob("*.json"):
        try:
            told = json.loads(file.read_bytes())
        except ValueError:
            continue
        found[key_of(told["job"])] = told["answer"]
    return found


def discard(folder: Path) -> None:
    """Remove the journals: all is logged."""
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
