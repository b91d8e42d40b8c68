"""Puts this folder on the path for `toys`, and offers runs without worker processes."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def in_process(monkeypatch):
    """Runs with a FakePool, whose class is returned, instead of worker processes."""
    from toys import FakePool

    from search.evolve import session

    monkeypatch.setattr(session, "Pool", FakePool)
    monkeypatch.setattr(FakePool, "seed", 0)
    return FakePool
