"""What can be read of a run afterwards: lineage, report, opened folder, verified artefacts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toys import Numbers, Script, climb, number

from evaluators.errors import BadInput, LabError
from reasoning.runlog import EVENTS, RUN, read_events
from search import evolve, open_run
from search.evolve.program import Proposal
from search.evolve.verify import verify_run

pytestmark = pytest.mark.usefixtures("in_process")


class WithBaselines(Numbers):
    baselines = {"fifty": number(50), "broken": number(666)}  # noqa: RUF012


def run(problem=None, made=climb, evaluations=60, **options):
    settings = {"islands": 3, "window": 6, "progress": False, **options}
    return evolve(problem or Numbers(), Script(made), evaluations=evaluations, **settings)


def test_every_program_is_a_node_with_edges_from_its_parents() -> None:
    act = {7: "fail"}

    def made(request, rng):
        k = request.k
        if k == 5:
            return Proposal(None, reason="nothing")
        if k == 6:
            return number(3)
        if k == 7:
            return Proposal(number(7), parents=(2, 1), origin="mix", prompt="p", response="r")
        return k

    graph = run(Numbers(act=act), made, evaluations=9, islands=1, window=1).lineage()
    assert sorted(graph.nodes) == list(range(10))
    for k, told in graph.nodes(data=True):
        assert set(graph.predecessors(k)) == set(told["parents"])
    assert graph.nodes[0]["parents"] == () and graph.nodes[0]["origin"] == "start"
    verdicts = {k: told["verdict"] for k, told in graph.nodes(data=True)}
    assert [verdicts[k] for k in (4, 5, 6, 7)] == ["ok", "no source", "duplicate", "exception"]
    assert graph.nodes[6]["duplicate_of"] == 3
    seven = graph.nodes[7]
    assert (seven["parents"], seven["origin"], seven["prompt"], seven["response"]) == (
        (2, 1), "mix", "p", "r",
    )  # fmt: skip
    assert seven["reason"] == "it failed" and seven["score"] is None
    assert graph.nodes[9]["scores"] == (9.0, 8.0, 7.0) and graph.nodes[9]["score"] == 8.0
    assert graph.nodes[9]["held_out"] == 6.5 and graph.nodes[9]["validation"] == 7.5
    assert graph.graph["best"] == 9 and graph.graph["direction"] == "maximise"
    assert graph.graph["instances"] == ["train/0", "train/1", "train/2"]


def test_the_report_compares_the_best_with_the_baselines_in_pairs() -> None:
    report = run(WithBaselines(), lambda r, rng: 60 if r.k == 3 else r.k, evaluations=9).report
    assert report.best.k == 3
    fifty = next(b for b in report.baselines if b.name == "fifty")
    assert fifty.held_out.value == 47.5 and report.held_out.value == 57.5
    assert (fifty.gain.value, fifty.gain.low, fifty.gain.high) == (10.0, 10.0, 10.0)
    text = str(report)
    assert "fifty: held out 47.5" in text and "best is better by 10 [10, 10]" in text
    assert "10 programs (10 ok)" in text


def test_the_report_says_why_a_score_is_missing() -> None:
    class Half(WithBaselines):
        def evaluate(self, source, sandbox, split="train", floor=None):
            if split == "held-out" and source == number(9):
                raise ValueError("it broke")
            if source == self.baselines["broken"]:
                raise ValueError("a bad baseline")
            return super().evaluate(source, sandbox, split, floor)

    text = str(run(Half(), lambda r, rng: r.k, evaluations=9).report)
    assert "  validation  7.5\n  held out    - (the scorer failed: it broke)\n" in text
    assert "  broken: held out - (the scorer failed: a bad baseline)\n" in text


def test_where_less_is_better_a_gain_is_still_positive() -> None:
    class Down(WithBaselines):
        direction = "minimise"

    report = run(Down(first=90), lambda r, rng: 90 - r.k, evaluations=60, islands=1).report
    assert report.best.score == 29.0
    assert next(b for b in report.baselines if b.name == "fifty").gain.value == pytest.approx(20)


def test_an_opened_run_tells_what_the_run_told(tmp_path: Path) -> None:
    made = run(out=tmp_path / "run")
    opened = open_run(tmp_path / "run", Numbers())
    assert opened.best == made.best
    assert [(s.k, s.island, s.score, s.best, s.held_out) for s in opened.history] == [
        (s.k, s.island, s.score, s.best, s.held_out) for s in made.history
    ]
    ours, theirs = opened.snapshot(), made.snapshot()
    for name in ("committed", "total", "verdicts", "best", "held_out", "islands", "stopped_by"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert opened.done() and opened.measured() == made.measured()
    assert opened.lineage().nodes == made.lineage().nodes
    assert str(opened.report).splitlines()[:4] == str(made.report).splitlines()[:4]
    with pytest.raises(BadInput, match="resume=True"):
        opened.start()


def test_a_folder_without_a_run_cannot_be_opened(tmp_path: Path) -> None:
    for read in (open_run, verify_run):
        with pytest.raises(BadInput, match="holds no run"):
            read(tmp_path, Numbers())


# -- artefacts -------------------------------------------------------------------------


def test_the_artefact_of_the_best_is_stored_and_verified(tmp_path: Path) -> None:
    made = run(out=tmp_path / "run")
    found = verify_run(tmp_path / "run", Numbers())
    assert all(one.valid and one.split == "train" for one in found)
    assert made.best.k in [one.k for one in found] and len(found) <= 2
    told = json.loads(found[-1].file.read_text())
    assert told["version"] == 1 and told["problem"] == "numbers"
    assert told["fingerprint"] == {"first": 0}


@pytest.mark.parametrize(
    ("change", "why"),
    [(lambda told: told["artefact"].update(number=0), "does not claim"),
     (lambda told: told["scores"].update(train=1e9), "does not claim"),
     (lambda told: told["artefact"].update(number="99"), "no number"),
     (lambda told: told.update(artefact=[]), "verifier failed: TypeError"),
     (lambda told: told.update(version=2), "newer"),
     (lambda told: told.pop("k"), "damaged")],
    ids=["value", "claim", "type", "shape", "version", "field"],
)  # fmt: skip
def test_a_changed_artefact_is_not_valid(tmp_path: Path, change, why: str) -> None:
    run(out=tmp_path / "run")
    file = verify_run(tmp_path / "run", Numbers())[0].file
    told = json.loads(file.read_text())
    change(told)
    file.write_text(json.dumps(told))
    (changed,) = [o for o in verify_run(tmp_path / "run", Numbers()) if o.file == file]
    assert not changed.valid and why in changed.reason


def test_a_program_without_an_artefact_is_noted_and_the_run_goes_on(tmp_path: Path) -> None:
    class Bare(Numbers):
        def artefact(self, source, sandbox):
            return None

    run(Bare(), out=tmp_path / "run")
    kinds = [event["kind"] for event in read_events(tmp_path / "run")]
    assert "no artefact" in kinds and kinds[-1] == "ended"


def test_an_artefact_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "artefacts").write_text("in the way")
    with pytest.raises(LabError, match="cannot be written"):
        run(out=tmp_path / "run")


def test_other_data_are_refused_and_missing_artefacts_told(tmp_path: Path) -> None:
    run(out=tmp_path / "run")
    with pytest.raises(BadInput, match=r"other data .*first: 0 -> 3"):
        verify_run(tmp_path / "run", Numbers(first=3))
    with pytest.raises(BadInput, match=r"was an object .Numbers. that no name loads"):
        verify_run(tmp_path / "run")
    for file in (tmp_path / "run" / "artefacts").iterdir():
        file.unlink()
    with pytest.raises(BadInput, match="holds no artefacts"):
        verify_run(tmp_path / "run", Numbers())


def test_a_run_without_events_is_empty_not_broken(tmp_path: Path) -> None:
    run(out=tmp_path / "run")
    (tmp_path / "run" / EVENTS).unlink()
    assert (tmp_path / "run" / RUN).exists()
    opened = open_run(tmp_path / "run", Numbers())
    assert opened.best is None and opened.snapshot().committed == 0
    assert len(opened.lineage()) == 0
    assert "no program has a score" in str(opened.report)
