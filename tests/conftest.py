"""The back-end that tests of judging use: the strongest that works here."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def strong() -> str:
    """`bwrap` or `landlock`. Where neither works the test is skipped with the reasons, or fails if
    REASONLAB_REQUIRE_BACKENDS asks for one."""
    from evaluators.sandbox import probe

    found = {name: probe()[name] for name in ("bwrap", "landlock")}
    for name, state in found.items():
        if state.works:
            return name
    reasons = "; ".join(f"{name}: {state.why}" for name, state in found.items())
    if os.environ.get("REASONLAB_REQUIRE_BACKENDS"):
        pytest.fail(reasons)
    pytest.skip(reasons)
