"""A served `tiny` for all tests of this folder that ask a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def tiny_server() -> Iterator:
    from labs.server.listen import Server

    with Server("tiny") as server:
        yield server
