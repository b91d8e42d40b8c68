"""The paper's form: exact packings, refusals, and the audit that finds look-ahead."""

from __future__ import annotations

import json

import numpy as np
import pytest

from evaluators.discovery import load_problem
from evaluators.discovery.bin_packing import priority
from evaluators.discovery.bin_packing.foresight import audit
from evaluators.discovery.bin_packing.priority import PriorityProblem
from evaluators.discovery.bin_packing.references import REFERENCES, packing_of
from evaluators.errors import UnknownName
from evaluators.sandbox import Limits, Sandbox
from tests.evaluators.discovery.naive import fewest_bins, pack_by_priority


def load(name: str = "or-1", **options) -> PriorityProblem:
    found = load_problem(f"bin-packing:{name}", skeleton="priority", **options)
    assert isinstance(found, PriorityProblem)
    return found


@pytest.fixture(scope="module")
def problem() -> PriorityProblem:
    return load(train=3, validation=1, held_out=2, seed=7)


def weibull(item, bins):
    """The published heuristic, written from its formula."""
    b, x, m = bins, item, bins.max()
    s = (b - m) ** 2 / x + b**2 / x**2 + b**2 / x**3
    s = np.where(b > x, -s, s)
    return np.append(s[:1], np.diff(s))


def steps(item, bins):
    """The published heuristic for OR, written from its table."""
    table = ((2, 4), (3, 3), (5, 2), (7, 1), (9, 0.9), (12, 0.95), (15, 0.97), (21, 0.98))
    return np.array([next((v for e, v in table if b - item <= e), 0.99) for b in bins])


PLAIN = {
    "first-fit": lambda item, bins: np.zeros(len(bins)),
    "best-fit": lambda item, bins: item - bins,
    "funsearch-weibull": weibull,
    "funsearch-or": steps,
}


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("family", ["or-2", "weibull-5k"])
def test_compiled_and_sandboxed_heuristics_agree_bin_for_bin_with_plain_python(
    name: str, family: str, sandbox: Sandbox
) -> None:
    problem = load(family, train=2, seed=3)
    for instance in problem.cases("train"):
        compiled = packing_of(name, instance)
        inside = problem.pack(problem.baselines[name], sandbox, instance, [])
        assert isinstance(inside, np.ndarray)
        assert np.array_equal(compiled, inside)
        if family == "or-2":
            items = instance.items.tolist()
            assert compiled.tolist() == pack_by_priority(PLAIN[name], items, instance.capacity)


def test_an_unknown_published_heuristic_is_named() -> None:
    with pytest.raises(UnknownName, match="best-fit"):
        load().reference("best-fits", "train")


def test_the_start_is_best_fit(problem: PriorityProblem, sandbox: Sandbox) -> None:
    found = problem.evaluate(problem.start, sandbox)
    assert found.scores == tuple(problem.reference("best-fit", "train"))
    assert found.score == np.mean(found.scores)


def test_small_instances_are_never_packed_below_the_optimum(sandbox: Sandbox, tmp_path) -> None:
    rng = np.random.default_rng(2)
    rows = {str(i): {"capacity": 10, "items": rng.integers(1, 11, 6).tolist()} for i in range(12)}
    (tmp_path / "small.json").write_text(json.dumps(rows))
    problem = load(instances=str(tmp_path / "small.json"), divide=False)
    for instance in problem.cases("train"):
        optimum = fewest_bins(instance.items.tolist(), 10)
        for source in problem.baselines.values():
            made = problem.pack(source, sandbox, instance, [])
            assert isinstance(made, np.ndarray)
            assert len(set(made.tolist())) >= optimum >= instance.bound


def program(*lines: str) -> str:
    return "\n".join(["def priority(item, bins):", *(f"    {line}" for line in lines), ""])


@pytest.mark.parametrize(
    ("source", "verdict", "words"),
    [
        (program("return bins * np.nan"), "invalid", "nan for item"),
        (program("return np.where(bins == bins[0], np.nan, 1.0)"), "invalid", "nan for item"),
        (program("return bins[:-1]"), "invalid", "numbers for 120 bins"),
        (program("return 0"), "invalid", "1 numbers for 120 bins"),
        (program("return bins * 1j"), "invalid", "not real"),
        (program("return None"), "invalid", "not real"),
        (program("return ['a'] * len(bins)"), "invalid", "not real"),
        (program("return bins.gaps"), "exception", "gaps"),
        (program("return -bins", "  x"), "exception", "IndentationError"),
        ("x = 1\n", "exception", "priority"),
        ("def priority(item):\n    return 0\n", "exception", "argument"),
    ],
    ids=lambda x: x if len(x) < 12 else None,
)
def test_what_a_program_returns_is_checked(
    problem: PriorityProblem, sandbox: Sandbox, source: str, verdict: str, words: str
) -> None:
    found = problem.evaluate(source, sandbox)
    assert (found.verdict, found.score) == (verdict, None)
    assert words in found.reason


@pytest.mark.parametrize(
    "source",
    [
        program("return [float(item - b) for b in bins]"),
        program("return (item - bins).astype(np.float32)"),
        program("s = -(bins - item) * 1.0", "bins -= bins", "return s"),
        program("bins[:] = 0", "item = 3", "return np.zeros(len(bins))")
        .replace("bins[:] = 0", "s = -(bins - item) ; bins[:] = 0")
        .replace("np.zeros(len(bins))", "s"),
        program("return -(bins - item).reshape(-1, 1)"),
        "from __future__ import annotations\nimport numpy\n"
        + program("return numpy.negative(bins - item)"),
    ],
    ids=["list", "float32", "changes bins", "overwrites bins", "column", "own imports"],
)
def test_ways_to_write_best_fit_all_score_as_best_fit(
    problem: PriorityProblem, sandbox: Sandbox, source: str
) -> None:
    found = problem.evaluate(source, sandbox)
    assert found.scores == tuple(problem.reference("best-fit", "train")), found.reason


def test_bins_come_in_order_with_all_that_are_empty_and_ints(sandbox: Sandbox, tmp_path) -> None:
    (tmp_path / "one.json").write_text('{"a": {"capacity": 10, "items": [6, 6, 4, 9]}}')
    problem = load(instances=str(tmp_path / "one.json"), divide=False)
    seen = "\n".join(
        [
            "wanted = [(6, [10] * 4), (6, [10] * 3), (4, [4, 4, 10, 10]), (9, [10, 10])]",
            "def priority(item, bins):",
            "    assert (item, bins.tolist()) == wanted.pop(0), (item, bins)",
            "    assert type(item) is int and bins.dtype == np.int64",
            "    return -bins",
            "",
        ]
    )
    found = problem.evaluate(seen, sandbox)
    assert found.verdict == "ok", found.reason
    assert found.scores == (0.0,)  # {6, 4}, {6}, {9}: 3 bins, 25 / 10 needs 3


def test_fewer_empty_bins_change_nothing_for_the_published_heuristics(sandbox: Sandbox) -> None:
    whole, few = load(train=3), load(train=3, empty_bins=3)
    for source in whole.baselines.values():
        assert whole.evaluate(source, sandbox).scores == few.evaluate(source, sandbox).scores
    asks = program("return bins if len(bins) > 100 else -bins")
    assert whole.evaluate(asks, sandbox).scores != few.evaluate(asks, sandbox).scores
    assert whole.fingerprint() != few.fingerprint()


def test_a_program_that_never_ends_costs_seconds_however_long_the_instances(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = load("weibull-100k", train=1, validation=1, held_out=1)
    assert problem.limits.cpu > 1000
    monkeypatch.setattr(priority, "FEW_LIMITS", Limits(wall=3.0, cpu=0.3))
    found = problem.evaluate("def priority(item, bins):\n    while True: pass\n", sandbox)
    assert (found.verdict, found.score) == ("timeout", None)
    assert "0.3 s of processor time" in found.reason


def test_early_end_is_sound(problem: PriorityProblem, sandbox: Sandbox) -> None:
    worst = program("return bins")  # every item into a bin of its own
    full = problem.evaluate(worst, sandbox)
    assert full.score is not None and full.score > 80
    found = problem.evaluate(worst, sandbox, floor=6.0)
    assert found.cut and found.score is None and found.scores == full.scores[:1]
    assert not problem.evaluate(worst, sandbox, floor=float(full.score)).cut
    assert problem.evaluate(problem.start, sandbox, floor=20.0).score is not None


FRAME = """
import sys
def items_of_the_caller(name):
    frame = sys._getframe(1)
    while frame is not None:
        if name in frame.f_locals:
            return frame.f_locals[name]
        frame = frame.f_back
    raise LookupError(name)
"""

CHEATS = {
    "reads the items in its caller's frame": FRAME
    + program(
        "items = items_of_the_caller('items').tolist()",
        "s = -(bins - item) * 1.0",
        "if sum(items[-5:]) % 2: s[-1] = 1",
        "return s",
    ),
    "looks only one item ahead": FRAME
    + """
count = 0
def priority(item, bins):
    global count
    items = items_of_the_caller('items').tolist()
    count += 1
    after = items[count] if count < len(items) else 0
    gap = bins - item
    return np.where(gap == after, 1000, -gap)
""",
    "finds the items through the garbage collector": """
import gc
count = 0
def priority(item, bins):
    global count
    count += 1
    found = [a for a in gc.get_objects() if isinstance(a, np.ndarray) and a.size == 120]
    lists = [a for a in gc.get_objects() if type(a) is list and len(a) == 120]
    known = lists or [a.tolist() for a in found if a.min() > 0 and len(set(a.tolist())) > 5]
    ahead = sum(map(sum, known)) % 2
    s = -(bins - item) * 1.0
    if count == 4 and ahead:
        s[-1] = 1
    return s
""",
    "draws without a seed": """
rng = np.random.default_rng()
def priority(item, bins):
    return rng.random(len(bins))
""",
}


@pytest.mark.parametrize("name", CHEATS)
def test_the_audit_catches_a_program_that(
    name: str, problem: PriorityProblem, sandbox: Sandbox
) -> None:
    assert problem.evaluate(CHEATS[name], sandbox).verdict == "ok"  # a valid packing proves nothing
    reason = audit(problem, CHEATS[name], sandbox, problem.cases("train"))
    assert reason.startswith("or-1/train/")
    if "draws" in name:
        assert "from run to run" in reason


HONEST = {
    "keeps count of what came": """
seen = []
def priority(item, bins):
    seen.append(item)
    return -(bins - item) + (bins > np.mean(seen))
""",
    "asks how many bins there are": program("return -(bins - item) * (len(bins) % 3)"),
    "draws with a seed": program(
        "return np.random.default_rng(item).random(len(bins)) - (bins - item)"
    ),
    "seeded by the sandbox": program("return np.random.random(len(bins)) - (bins - item)"),
}


@pytest.mark.parametrize("name", [*HONEST, *REFERENCES])
def test_the_audit_passes(name: str, problem: PriorityProblem, sandbox: Sandbox) -> None:
    source = HONEST.get(name) or problem.baselines[name]
    assert problem.audit(source, sandbox) == ""


def test_a_forged_packing_is_replayed_and_refused(
    problem: PriorityProblem, sandbox: Sandbox
) -> None:
    forged = FRAME + program(
        "self = items_of_the_caller('self')", "self.bins[:] = 10**6", "return np.zeros(len(bins))"
    )
    found = problem.evaluate(forged, sandbox)
    assert (found.verdict, found.score) == ("invalid", None)
    assert "holds" in found.reason


def test_an_artefact_holds_the_held_out_packings(
    problem: PriorityProblem, sandbox: Sandbox
) -> None:
    artefact = json.loads(json.dumps(problem.artefact(problem.start, sandbox)))
    check = problem.verify(artefact)
    held_out = problem.evaluate(problem.start, sandbox, "held-out")
    assert check.valid and check.score == held_out.score
    assert problem.artefact(program("return 1"), sandbox) is None


FORGE = """
def priority(item, bins):
    value = {value}
    np.array = lambda *a, **k: value
    Packer.place = lambda self, item: 0
    return -bins
"""


@pytest.mark.parametrize(
    "value",
    [
        "np.arange(120).astype(np.uint64) + np.uint64(2**63)",
        "np.zeros(120, np.uint64)",
        "np.zeros((120, 1), int)",
        "np.zeros(120)",
        "np.full(120, np.nan)",
        "[0] * 120",
        "2**9000",
        "'x' * 900000",
        "None",
        "{}",
    ],
)
def test_whatever_comes_back_in_place_of_a_packing_is_only_refused(
    problem: PriorityProblem, sandbox: Sandbox, value: str
) -> None:
    source = FORGE.replace("{value}", value)
    found = problem.evaluate(source, sandbox)
    assert found.verdict != "ok" and found.score is None
    assert len(found.reason) < 1000


@pytest.mark.parametrize("value", ["[]", "['x']", "[2**200]", "[-1]", "[True]", "None", "[0, 0]"])
def test_whatever_the_audit_hears_is_only_a_reason(
    problem: PriorityProblem, sandbox: Sandbox, value: str
) -> None:
    source = (
        "def priority(item, bins):\n"
        "    if 'packer' in globals():\n"
        f"        globals()['place'] = lambda items: {value}\n"
        "    return -(bins - item)\n"
    )
    assert problem.evaluate(source, sandbox).verdict == "ok"
    assert "item 1 where items come one by one" in problem.audit(source, sandbox)
