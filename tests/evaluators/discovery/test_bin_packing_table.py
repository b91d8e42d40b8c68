"""The policy table: compiled packing against plain Python, scores, early end, refusals."""

from __future__ import annotations

import json

import cloudpickle
import numpy as np
import pytest

from evaluators.discovery import load_problem
from evaluators.discovery.bin_packing import kernels
from evaluators.discovery.bin_packing.instances import Instance
from evaluators.discovery.bin_packing.packing import fault, name_bins
from evaluators.discovery.bin_packing.table import TableProblem
from evaluators.sandbox import Sandbox
from tests.evaluators.discovery.naive import fewest_bins, pack_by_table


def table_of(capacity: int, rng: np.random.Generator, levels: int) -> np.ndarray:
    """Random priorities with many ties, infinities among them."""
    table = rng.integers(0, levels, (capacity + 1, capacity + 1)).astype(float)
    table[rng.random(table.shape) < 0.05] = np.inf
    table[rng.random(table.shape) < 0.05] = -np.inf
    return table


@pytest.mark.parametrize("capacity", [1, 2, 7, 30, 32, 150, 254, 255, 300])
def test_compiled_packing_equals_plain_python(capacity: int) -> None:
    rng = np.random.default_rng(capacity)
    for levels in (1, 3, 1000):
        table = table_of(capacity, rng, levels)
        items = rng.integers(1, capacity + 1, (6, 80)).astype(np.int32)
        chosen = kernels.preferences(table)
        bins = np.zeros(6, np.int64)
        assert kernels.pack_all(chosen, items, np.ones(6), np.inf, bins) == 6
        for row, counted in zip(items, bins, strict=True):
            taken = np.empty(80, np.int64)
            assert kernels.pack(chosen, row, taken) == counted
            expected = pack_by_table(table, row.tolist())
            assert taken.tolist() == expected
            assert counted == expected.count(capacity)


def test_a_packing_worked_by_hand() -> None:
    # Worst fit: 6 and 6 open bins, 4 fills one, 3 goes to the 4 left in the other, 2 fits nowhere.
    x, r = np.mgrid[0:11, 0:11]
    worst = np.where(r < 10, (r - x).astype(float), -np.inf)
    chosen = kernels.preferences(worst)
    items = np.array([6, 6, 4, 3, 2], np.int32)
    taken = np.empty(5, np.int64)
    assert kernels.pack(chosen, items, taken) == 3
    assert taken.tolist() == [10, 10, 4, 4, 10]
    packing = name_bins(Instance("hand", 10, items), taken)
    assert packing == [0, 1, 0, 1, 2]


def test_no_table_packs_below_the_optimum_and_best_fit_is_a_packing() -> None:
    rng = np.random.default_rng(5)
    for _ in range(30):
        items = rng.integers(1, 11, 6).astype(np.int32)
        instance = Instance("small", 10, items)
        optimum = fewest_bins(items.tolist(), 10)
        assert instance.bound <= optimum
        taken = np.empty(6, np.int64)
        chosen = kernels.preferences(table_of(10, rng, 4))
        assert kernels.pack(chosen, items, taken) >= optimum
        assert fault(instance, name_bins(instance, taken)) == ""


@pytest.fixture(scope="module")
def problem() -> TableProblem:
    found = load_problem("bin-packing:or-1", train=9, validation=2, held_out=3, seed=4)
    assert isinstance(found, TableProblem)
    return found


def test_the_start_packs_as_best_fit_does(problem: TableProblem, sandbox: Sandbox) -> None:
    start = problem.evaluate(problem.start, sandbox)
    best_fit = problem.evaluate(problem.baselines["best-fit"], sandbox)
    assert start.scores == best_fit.scores == tuple(problem.reference("best-fit", "train"))
    assert start.score == np.mean(start.scores)
    assert start.behaviour == best_fit.behaviour
    assert start.verdict == "ok" and not start.cut


def test_splits_differ_and_the_seed_fixes_them() -> None:
    a, b, c = (load_problem("bin-packing:or-1", seed=s) for s in (1, 1, 2))
    marks = {s: [i.fingerprint for i in a.cases(s)] for s in ("train", "validation", "held-out")}
    assert marks["train"] == [i.fingerprint for i in b.cases("train")]
    assert len({m for split in marks.values() for m in split}) == 3 * 160
    assert not set(marks["train"]) & {i.fingerprint for i in c.cases("train")}


def test_behaviour_knows_choices_not_numbers(problem: TableProblem, sandbox: Sandbox) -> None:
    def behaviour(body: str) -> str:
        source = f"def priority(item, remaining):\n    return {body}\n"
        return problem.evaluate(source, sandbox).behaviour

    same = behaviour("item - remaining")
    assert behaviour("np.exp((item - remaining) / 9.0)") == same
    assert behaviour("np.where(item < 5, remaining, item - remaining)") == same  # none that small
    assert behaviour("remaining - item") != same


@pytest.mark.parametrize(
    ("body", "verdict", "words"),
    [
        ("np.where(remaining == item, np.nan, 0)", "invalid", "nan at item 1, remaining 1"),
        ("np.where(remaining < item, np.nan, 0)", "ok", ""),
        ("np.log(remaining - item)", "ok", ""),
        ("np.inf", "ok", ""),
        ("True", "ok", ""),
        ("item", "ok", ""),
        ("remaining[:1]", "ok", ""),
        ("[1.0, 2.0]", "invalid", "shape (2,)"),
        ("remaining.sum(axis=0)[:-1]", "invalid", "shape (150,)"),
        ("remaining * 1j", "exception", "not real"),
        ("'many'", "exception", "not real"),
        ("None", "exception", "not real"),
        ("item +", "exception", "SyntaxError"),
        ("gap", "exception", "gap"),
    ],
)
def test_what_a_program_returns_is_checked(
    problem: TableProblem, sandbox: Sandbox, body: str, verdict: str, words: str
) -> None:
    found = problem.evaluate(f"def priority(item, remaining):\n    return {body}\n", sandbox)
    assert found.verdict == verdict, found.reason
    assert words in found.reason
    assert (found.score is None) == (verdict != "ok")


@pytest.mark.parametrize(
    "source",
    [
        "x = '\\udc80'\n",
        "x = '\udc80'\n",
        "x = '\x00'\n",
        "def priority(item, remaining):\r\n    return item - remaining\r\n",
        "def priority(item, remaining):\n    return item - remaining\n" + "# " + "x" * 70_000,
        "np.asarray = lambda x: type('Fake', (), {'dtype': np.dtype(int), "
        "'astype': lambda s, t: 2**9000})()\ndef priority(item, remaining):\n    return 0\n",
        "(" * 9000,
        "-" * 60_000 + "1",
    ],
    ids=["escape", "surrogate", "zero", "returns", "long", "forged", "nested", "chain"],
)
def test_no_program_text_raises_on_the_trusted_side(
    problem: TableProblem, sandbox: Sandbox, source: str
) -> None:
    found = problem.evaluate(source, sandbox)
    assert (found.verdict == "ok") == ("\r" in source), found.reason
    assert (found.score is None) == (found.verdict != "ok")


def test_lines_are_those_of_the_program(problem: TableProblem, sandbox: Sandbox) -> None:
    source = (
        "from __future__ import annotations\nSCALE = 2\n\n\n"
        "def priority(item: Unknown, remaining):\n    x = SCALE * item\n    return x.missing\n"
    )
    assert problem.evaluate(source, sandbox).line == 7
    fine = source.replace("x.missing", "x - remaining")
    assert problem.evaluate(fine, sandbox).verdict == "ok"


def test_a_program_is_cut_only_when_it_cannot_reach_the_floor(sandbox: Sandbox) -> None:
    problem = load_problem("bin-packing:or-1", train=14, seed=11)
    rng = np.random.default_rng(0)
    cuts = 0
    for _ in range(25):
        a, b, c = rng.integers(-9, 10, 3)
        source = f"def priority(item, remaining):\n    return {a} * item + ({b}) * remaining" + (
            f" + ({c}) * ((remaining - item) % 7)\n"
        )
        full = problem.evaluate(source, sandbox)
        assert full.score is not None
        nearest = float(full.score)
        for floor in (nearest, nearest * 0.999, nearest * 1.01, *rng.uniform(0, 20, 4)):
            found = problem.evaluate(source, sandbox, floor=float(floor))
            assert found.verdict == "ok"
            if found.cut:
                cuts += 1
                assert full.score > floor
                assert found.score is None and len(found.scores) < 14
                assert found.scores == full.scores[: len(found.scores)]
                assert found.behaviour != full.behaviour
            else:
                assert found.score == full.score
    assert cuts > 20


def test_the_audit_finds_a_table_that_does_not_repeat(
    problem: TableProblem, sandbox: Sandbox
) -> None:
    assert problem.audit(problem.baselines["funsearch-or"], sandbox) == ""
    drawn = (
        "def priority(item, remaining):\n    return np.random.default_rng().random(item.shape)\n"
    )
    assert "from call to call" in problem.audit(drawn, sandbox)


def test_an_artefact_is_checked_to_the_last_item(problem: TableProblem, sandbox: Sandbox) -> None:
    artefact = json.loads(json.dumps(problem.artefact(problem.start, sandbox)))
    check = problem.verify(artefact)
    assert check.valid
    assert check.score == pytest.approx(
        problem.evaluate(problem.start, sandbox, "held-out").score, abs=1e-12
    )

    def damaged(change) -> str:
        copy = json.loads(json.dumps(artefact))
        name = next(iter(copy["instances"]))
        change(copy, copy["instances"][name])
        found = problem.verify(copy)
        assert not found.valid and found.score is None
        return found.reason

    def move_last(copy, row) -> None:
        row["packing"][-1] = row["packing"][0]

    assert "holds" in damaged(move_last)
    assert "119 bins named for 120" in damaged(lambda c, r: r["packing"].pop())
    assert "121 bins named" in damaged(lambda c, r: r["packing"].append(0))
    assert "in bin -1" in damaged(lambda c, r: r["packing"].__setitem__(3, -1))
    assert "in bin 120" in damaged(lambda c, r: r["packing"].__setitem__(3, 120))
    assert "integers" in damaged(lambda c, r: r["packing"].__setitem__(3, 1.0))
    assert "integers" in damaged(lambda c, r: r["packing"].__setitem__(3, True))
    assert "claimed" in damaged(lambda c, r: r.__setitem__("bins", r["bins"] - 1))
    assert "other items" in damaged(lambda c, r: r.__setitem__("sha256", "0" * 16))
    assert "is missing" in damaged(lambda c, r: c["instances"].popitem())
    assert "not an instance" in damaged(lambda c, r: c["instances"].__setitem__("x", r))
    assert "split" in damaged(lambda c, r: c.__setitem__("split", "test"))
    assert not problem.verify([1, 2]).valid
    assert not problem.verify({"instances": None}).valid


def test_a_problem_travels_light_and_arrives_whole(problem: TableProblem, sandbox: Sandbox) -> None:
    big = load_problem("bin-packing:weibull-100k")
    big.cases("train")
    sent = cloudpickle.dumps(big)
    assert len(sent) < 50_000
    copy = cloudpickle.loads(cloudpickle.dumps(problem))
    here, there = (p.evaluate(problem.start, sandbox) for p in (problem, copy))
    assert (here.scores, here.behaviour) == (there.scores, there.behaviour)
    assert copy.fingerprint() == problem.fingerprint()


def test_instances_of_several_capacities_and_lengths_are_packed_together(
    sandbox: Sandbox, tmp_path
) -> None:
    file = tmp_path / "mixed.json"
    rows = {
        "long": {"capacity": 10, "items": [6, 6, 4, 3, 2]},
        "wide": {"capacity": 300, "items": [150, 151, 149]},
        "short": {"capacity": 10, "items": [6, 6, 4]},
    }
    file.write_text(json.dumps(rows))
    problem = load_problem("bin-packing:or-1", instances=str(file), divide=False)
    assert problem.instances("held-out") == ["wide", "short", "long"]
    found = problem.evaluate(problem.start, sandbox, "held-out")
    # bins 2, 2, 3 (6+4, 6+3, 2: best fit) over L1 bounds 2, 2, 3
    assert found.scores == (0.0, 0.0, 0.0)
    apart = problem.evaluate(
        "def priority(item, remaining):\n    return remaining\n", sandbox, "held-out"
    )
    assert apart.scores == pytest.approx((50.0, 50.0, 200 / 3))
