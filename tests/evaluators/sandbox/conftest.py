"""Fixtures: each strong back-end in turn, and a Sandbox of it for a whole module.

Where a back-end does not work its tests are skipped with the probe's reason; those that
REASONLAB_REQUIRE_BACKENDS names (separated by commas) fail instead.
"""

from __future__ import annotations

import os

import pytest

from evaluators.sandbox import Limits, Sandbox, probe
from evaluators.sandbox.backends import STRONG


def require(backend: str) -> str:
    """`backend`, or a skip or failure that says why it does not work here."""
    found = probe()[backend]
    if not found.works:
        required = os.environ.get("REASONLAB_REQUIRE_BACKENDS", "").split(",")
        (pytest.fail if backend in required else pytest.skip)(f"{backend}: {found.why}")
    return backend


@pytest.fixture(scope="module", params=STRONG)
def backend(request: pytest.FixtureRequest) -> str:
    return require(request.param)


@pytest.fixture(scope="module")
def sandbox(backend: str):
    """Roomy in wall time: a loaded machine must not turn a verdict into a time-out."""
    with Sandbox(backend, Limits(wall=20.0)) as sandbox:
        yield sandbox
