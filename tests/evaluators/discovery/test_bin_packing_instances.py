"""Families by seed: their distributions and the published figures; instances from a file."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from evaluators.discovery import load_problem
from evaluators.discovery.bin_packing.instances import FAMILIES, Drawn, Given, read_instances
from evaluators.errors import BadInput, UnknownName
from evaluators.sandbox import Sandbox


@pytest.mark.parametrize(
    ("family", "n"), [("or-1", 120), ("or-2", 250), ("or-3", 500), ("or-4", 1000)]
)
def test_or_families_are_uniform_from_20_to_100(family: str, n: int) -> None:
    cases = Drawn(family, 0, (60, 1, 1)).split("train")
    assert {(i.capacity, len(i.items)) for i in cases} == {(150, n)}
    sizes = np.concatenate([i.items for i in cases])
    counts = np.bincount(sizes)[20:]
    assert sizes.min() == 20 and sizes.max() == 100
    expected = len(sizes) / 81
    assert (np.abs(counts - expected) < 5 * math.sqrt(expected)).all()


@pytest.mark.parametrize(
    ("family", "n"), [("weibull-5k", 5_000), ("weibull-10k", 10_000), ("weibull-100k", 100_000)]
)
def test_weibull_families_have_shape_3_and_scale_45(family: str, n: int) -> None:
    instance = Drawn(family, 0, (1, 1, 1)).split("train")[0]
    assert (instance.capacity, len(instance.items)) == (100, n)
    assert instance.items.min() >= 1 and instance.items.max() <= 100
    for size in (20, 40, 45, 60, 80):
        # rounding: at most `size` means below size + 1/2
        share = 1 - math.exp(-(((size + 0.5) / 45) ** 3))
        assert (instance.items <= size).mean() == pytest.approx(share, abs=3.5 / math.sqrt(n))


def test_the_same_seed_draws_the_same_items_for_ever() -> None:
    assert Drawn("weibull-5k", 0, (1, 1, 1)).split("train")[0].items[:8].tolist() == FIRST_WEIBULL
    assert Drawn("or-3", 0, (1, 1, 1)).split("held-out")[0].items[:8].tolist() == FIRST_OR


FIRST_WEIBULL = [35, 42, 36, 35, 24, 44, 21, 45]
FIRST_OR = [95, 32, 92, 55, 65, 25, 90, 61]

FIGURES = [
    # excess in percent; on the paper's own sets: 4.23, 3.98, 0.68 (Weibull 5k, 5 instances),
    # 5.74, 5.37, 3.11 (OR-3, 20 instances)
    ("weibull-5k", "first-fit", 4.23, 0.45),
    ("weibull-5k", "best-fit", 3.98, 0.3),
    ("weibull-5k", "funsearch-weibull", 0.68, 0.15),
    ("weibull-10k", "funsearch-weibull", 0.33, 0.12),
    ("or-1", "first-fit", 6.42, 0.9),
    ("or-1", "best-fit", 5.81, 0.9),
    ("or-1", "funsearch-or", 5.30, 0.9),
    ("or-2", "best-fit", 6.06, 0.7),
    ("or-2", "funsearch-or", 4.19, 0.7),
    ("or-3", "first-fit", 5.74, 0.4),
    ("or-3", "best-fit", 5.37, 0.4),
    ("or-3", "funsearch-or", 3.11, 0.4),
    ("or-4", "first-fit", 5.23, 0.4),
    ("or-4", "best-fit", 4.94, 0.4),
    ("or-4", "funsearch-or", 2.47, 0.4),
]


@pytest.mark.parametrize(("family", "name", "published", "near"), FIGURES)
def test_published_heuristics_reach_their_published_figures(
    family: str, name: str, published: float, near: float
) -> None:
    many = {"weibull-5k": 12, "weibull-10k": 6}.get(family, 40)
    problem = load_problem(f"bin-packing:{family}", held_out=many)
    assert np.mean(problem.reference(name, "held-out")) == pytest.approx(published, abs=near)


def write(path, rows) -> str:
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows))
    return str(path)


GOOD = {"capacity": 10, "items": [3, 4]}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("{", "not JSON"),
        ("[]", "at least one instance"),
        ({}, "at least one instance"),
        ({"a": [1, 2]}, "instance 'a' needs"),
        ({"a": {"items": [1]}}, "instance 'a' needs"),
        ({"a": {**GOOD, "items": []}}, "instance 'a': items must be a list of at least one"),
        ({"a": {**GOOD, "items": 3}}, "items must be a list"),
        (
            {"a": GOOD, "b": {**GOOD, "items": [1, 11]}},
            "'b': item 1 is 11, more than the capacity 10",
        ),
        ({"a": {**GOOD, "items": [1, 0]}}, "item 1 is 0"),
        ({"a": {**GOOD, "items": [-1]}}, "item 0 is -1"),
        ({"a": {**GOOD, "items": [1, 2.5]}}, "item 1 must be an integer, not 2.5"),
        ({"a": {**GOOD, "items": [1, "2"]}}, "item 1 must be an integer"),
        ({"a": {**GOOD, "items": [True]}}, "item 0 must be an integer"),
        ({"a": {**GOOD, "items": [None]}}, "item 0 must be an integer"),
        ('{"a": {"capacity": 10, "items": [1, NaN]}}', "item 1 must be an integer, not nan"),
        ('{"a": {"capacity": Infinity, "items": [1]}}', "capacity must be an integer"),
        ('{"a": {"capacity": 1%s, "items": [1]}}' % ("0" * 400), "capacity must be from 1 to"),
        ('{"a": {"capacity": 1%s, "items": [1]}}' % ("0" * 5000), "not JSON"),
        ({"a": {**GOOD, "capacity": 0}}, "capacity must be from 1"),
        ({"a": {**GOOD, "capacity": 10**12}}, "capacity must be from 1"),
        (
            '{"a": {"capacity": 9, "items": [1]}, "a": {"capacity": 9, "items": [1]}}',
            "'a' stands twice",
        ),
    ],
    ids=lambda x: x if isinstance(x, str) and len(x) < 40 else None,
)
def test_a_bad_file_is_refused_with_its_place(tmp_path, rows, words: str) -> None:
    path = write(tmp_path / "bad.json", rows)
    with pytest.raises(BadInput, match=r"bad\.json") as caught:
        read_instances(path)
    assert words in str(caught.value)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(BadInput, match=r"no\.json"):
        read_instances(tmp_path / "no.json")


def test_a_file_is_dealt_out_or_kept_whole(tmp_path) -> None:
    rows = {f"i{k}": {"capacity": 10, "items": [1] * (k + 1)} for k in range(8)}
    path = write(tmp_path / "many.json", rows)
    dealt = Given(path)
    names = {s: [i.name for i in dealt.split(s)] for s in ("train", "validation", "held-out")}
    assert names == {
        "train": ["i0", "i2", "i4", "i6"],
        "validation": ["i1", "i5"],
        "held-out": ["i3", "i7"],
    }
    whole = Given(path, divide=False)
    assert all(len(whole.split(s)) == 8 for s in ("train", "validation", "held-out"))
    assert dealt.facts()["sha256"] != whole.facts()["sha256"]
    two = write(tmp_path / "two.json", {k: rows[k] for k in ("i0", "i1")})
    with pytest.raises(BadInput, match="at least 3"):
        Given(two)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"train": 0}, BadInput, "train must be an integer of at least 1"),
        ({"held_out": 2.5}, BadInput, "held_out must be"),
        ({"seed": -1}, BadInput, "seed must be"),
        ({"skeleton": "tabel"}, UnknownName, "Did you mean 'table'"),
        ({"instances": "x.json", "train": 3}, BadInput, "do not go with"),
        ({"empty_bins": 3}, BadInput, "skeleton=priority"),
        ({"skeleton": "priority", "empty_bins": 0}, BadInput, "at least 1"),
    ],
    ids=str,
)
def test_wrong_options_are_refused(options: dict, error: type, words: str) -> None:
    with pytest.raises(error) as caught:
        load_problem("bin-packing:or-1", **options)
    assert words in str(caught.value)


def test_a_capacity_too_wide_for_a_table_names_the_other_skeleton(
    tmp_path, sandbox: Sandbox
) -> None:
    path = write(tmp_path / "wide.json", {"a": {"capacity": 5000, "items": [2500, 2500, 1]}})
    with pytest.raises(BadInput, match="skeleton=priority"):
        load_problem("bin-packing:or-1", instances=path, divide=False)
    problem = load_problem("bin-packing:or-1", instances=path, divide=False, skeleton="priority")
    assert problem.evaluate(problem.start, sandbox).scores == (0.0,)


def test_every_family_has_at_least_30_held_out_instances() -> None:
    assert all(family.counts[2] >= 30 for family in FAMILIES.values())
