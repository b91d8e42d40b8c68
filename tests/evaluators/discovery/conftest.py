"""One sandbox for all tests of discovery problems. What isolates is tested elsewhere: here the
weak back-end does, which works everywhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from evaluators.sandbox import Sandbox, WeakSandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeakSandbox)
        made = Sandbox("process")
    with made:
        yield made
