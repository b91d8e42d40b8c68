"""What all tests share: Ctrl-C that works, and the back-end that tests of judging use."""

from __future__ import annotations

import os
import signal

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as for what a shell runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
