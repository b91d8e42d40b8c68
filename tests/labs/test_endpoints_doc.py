"""ENDPOINTS.md: its table is what the code says and what our own server is found to do, and its
names and links are those of the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from labs.server.listen import Server
from reasoning.models import load_model
from reasoning.models.endpoint import probe
from reasoning.models.endpoint.server import ABILITIES, PROFILES

DOC = Path(__file__).parents[2] / "reasoning" / "models" / "ENDPOINTS.md"


def table() -> dict[str, frozenset[str]]:
    """Row name -> abilities that are ticked."""
    lines = [line for line in DOC.read_text("utf-8").splitlines() if line.startswith("|")]
    heads = next(line for line in lines if "| continue |" in line)
    names = [cell.strip() for cell in heads.strip("|").split("|")][1:]
    rows = {}
    for line in lines[lines.index(heads) + 2 :]:
        first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if len(cells) != len(names):
            break  # the next table
        assert set(cells) <= {"✓", "·"}, line
        rows[first] = frozenset(n for n, cell in zip(names, cells, strict=True) if cell == "✓")
    assert set(names) == set(ABILITIES)
    return rows


def test_the_rows_of_profiles_are_those_of_the_code() -> None:
    told = {}
    for name, can in table().items():
        found = re.search(r"profile=([\w.]+)", name)
        if found:
            told[found[1]] = can
    assert told == {name: server.can for name, (server, _) in PROFILES.items()}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Server("tiny") as server:
        yield server.url


@pytest.mark.parametrize("route", ["completions", "chat"])
def test_our_own_server_does_what_the_table_says(url: str, route: str) -> None:
    probe._known.clear()
    model = load_model(f"openai:tiny@{url}", route=route)
    assert model.can == table()[f"`reasonlab serve` ({route})"]


def test_every_file_and_option_that_it_names_exists() -> None:
    text = DOC.read_text("utf-8")
    for path in set(re.findall(r"(?:tests|benchmarks|reasoning|labs)/[\w/]+\.(?:py|md)", text)):
        assert (DOC.parents[2] / path).is_file(), path
    known = load_model.__doc__ or ""
    for option in ("route", "can", "profile", "key_env", "price_cached", "concurrency", "timeout"):
        assert option in text and option in known
