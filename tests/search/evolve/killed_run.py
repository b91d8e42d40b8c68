"""A run in a process of its own, to be killed: `killed_run.py FOLDER NOTES EVALUATIONS`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from toys import Numbers, Script, wander

from search import evolve

if __name__ == "__main__":
    folder, notes, evaluations = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    run = evolve(
        Numbers(notes, work=0.001), Script(wander), evaluations=evaluations, islands=3, capacity=8,
        reset=50, out=folder, resume=(folder / "run.json").exists(), sandbox="process",
        window=8, seed=3, progress=False,
    )  # fmt: skip
    assert run.best is not None
    print(run.best.k)
