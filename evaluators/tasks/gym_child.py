"""Problems of reasoning-gym, drawn in a process of its own: `python -m evaluators.tasks.gym_child`.

One JSON request on standard input, one JSON object a line out. Apart, because the package loads a
thousand modules, and because some of its generators follow the order of sets: the caller fixes
PYTHONHASHSEED, so that a seed means the same problems everywhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from evaluators.code.crossing import Uncrossable, dumps

CHUNK = 500
"""Problems for each seed of a generator."""

IDLE = 300
"""Draws without a new problem after which a generator counts as exhausted."""

SPLITS = ("test", "val", "train")


def stand_in() -> None:
    """Put empty modules in the place of matplotlib, which the package imports (half of its time to
    load) and no problem needs."""
    import sys
    import types

    drawing: Any = None
    for name in (
        "matplotlib", "matplotlib.pyplot", "matplotlib.animation", "matplotlib.collections",
        "mpl_toolkits", "mpl_toolkits.mplot3d",
    ):  # fmt: skip
        sys.modules[name] = drawing = types.ModuleType(name)
        above, _, last = name.rpartition(".")
        if above:
            setattr(sys.modules[above], last, drawing)
    drawing.Axes3D = None


def split_of(question: str) -> str:
    """The split that owns a problem, a third each, whatever seed drew it."""
    digest = hashlib.blake2b(" ".join(question.split()).encode(), digest_size=8).digest()
    return SPLITS[int.from_bytes(digest, "little") % len(SPLITS)]


def draw(name: str, config: dict[str, Any], seed: int) -> Iterator[dict[str, Any]]:
    """Entries without end; the generator's own seeds are CHUNK apart, as it adds the index."""
    import reasoning_gym

    digest = hashlib.blake2b(str(seed).encode(), digest_size=8).digest()
    base = int.from_bytes(digest, "little") % (1 << 22)  # numpy takes no seed beyond 32 bits
    while True:
        data = reasoning_gym.create_dataset(name, seed=base * CHUNK, size=CHUNK, **config)
        for index in range(CHUNK):
            yield data[index]
        base += 1


def problems(
    name: str, config: dict[str, Any], split: str, n: int, seed: int
) -> Iterator[dict[str, Any]]:
    """`n` different problems of a split, fewer where the generator has no more."""
    seen: set[str] = set()
    idle = 0
    entries = draw(name, config, seed)
    while len(seen) < n and idle < IDLE + n:
        entry = next(entries)
        question = str(entry["question"])
        key = " ".join(question.split())
        if key in seen or split_of(question) != split:
            idle += key in seen
            continue
        seen.add(key)
        answer = entry.get("answer")
        yield {
            "question": question,
            "entry": dumps(entry),
            "answer": answer if isinstance(answer, str) else None,
        }


def main() -> None:
    """Answer one request."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the package prints at its import
    request = json.loads(sys.stdin.read())

    def say(row: dict[str, Any]) -> None:
        print(json.dumps(row), file=out, flush=True)

    stand_in()
    try:
        from reasoning_gym.factory import DATASETS
    except ImportError as error:
        return say({"missing": str(error)})
    name = request["name"]
    if name not in DATASETS:
        return say({"known": sorted(DATASETS)})
    try:
        for row in problems(**request):
            say(row)
    except (TypeError, ValueError, AssertionError, Uncrossable) as error:
        options = sorted(vars(DATASETS[name][1]()))
        say({"refused": f"{type(error).__name__}: {error}", "options": options})


if __name__ == "__main__":
    main()
