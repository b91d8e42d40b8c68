"""Plans for `adaptive` that come with the package, one JSON file each.

`tiny-expressions`: of the model `tiny` on 240 training expressions of 2 to 14 operations, without
probes (`benchmarks/adaptive.py` fits it). On other tasks and models fit your own: `fit_adaptive`,
or `reasonlab plan`.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def shipped() -> list[str]:
    """Their names."""
    return sorted(file.stem for file in FOLDER.glob("*.json"))
