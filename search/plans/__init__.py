"""Plans for `adaptive` that come with the package, one JSON file each."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def shipped() -> list[str]:
    """Their names."""
    return sorted(file.stem for file in FOLDER.glob("*.json"))
