"""How good a scorer was, told from a comparison: by hand on scripted traces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from evaluators import load_task
from evaluators.calibration import auc
from evaluators.errors import BadInput, UnknownName
from evaluators.tasks import countdown, countdown_chain, countdown_solver
from reasoning.core import Completion, Usage
from search import Report, compare
from search.best_first import BestFirst
from search.best_of_n import BestOfN
from tests.search.toy_lab import Scripted, toy

TASK = toy(2)


@dataclass(frozen=True)
class Listed:
    """Gives the i-th sample of a problem the i-th score."""

    scores: tuple[float, ...]
    knows: str = "nothing"
    scale: str = "unit"
    needs: frozenset[str] = frozenset()

    async def score(self, problem, traces, ctx):
        return [self.scores[int(trace.seed.rpartition("/")[2])] for trace in traces]


class Answers(Scripted):
    """Answers right or wrong as a list says for each sample."""

    def __init__(self, right: str) -> None:
        super().__init__()
        self.rights = right

    def _write(self, question, prefix, sampling, seed, granted):
        total = sum(int(x) for x in question[:-1].split("+"))
        right = self.rights[int(seed.parts[-1])] == "1"
        text = f"={total if right else total + 1}"
        return Completion(text, "eos", Usage(0, 0, len(text)), None, (-0.1,) * len(text))


class Mover(Scripted):
    """Writes legal moves of countdown, one a line, at random."""

    def _write(self, question, prefix, sampling, seed, granted):
        head, _, rest = question.partition("=")
        problem = countdown.TASK.parse_problem(f"{head}={rest.removesuffix('<think>')}")
        state = countdown.TASK.state_key(problem, prefix.splitlines(True))
        left = tuple(int(n) for n in state[0])
        if len(left) == 1:
            return self._cut(f"</think>{left[0]}", "eos", [-0.1] * 99, sampling, granted)
        options = countdown_solver.moves(left)
        move = options[seed.key[0] % len(options)]
        text = countdown_chain.line(left, move) + "\n"
        return self._cut(text, "boundary", [-0.1] * len(text), sampling, granted)


def ran(scores: tuple[float, ...], right: str, **more) -> Report:
    arm = BestOfN(len(right), scorer=Listed(scores), **more)
    return compare({"arm": arm}, TASK, Answers(right), [500], progress=False)


def test_quality_of_finished_traces_by_hand():
    found = ran((0.9, 0.8, 0.8, 0.1), "1010").scorer_quality("arm")
    assert found.finished is not None and found.finished.auc is not None
    assert (found.finished.n, found.finished.base, found.finished.auc.value) == (8, 0.5, 0.875)
    squares = 0.1**2 + 0.8**2 + 0.2**2 + 0.1**2
    assert found.finished.brier == pytest.approx(squares / 4)
    assert found.finished.ece == pytest.approx((0.1 + 2 * 0.3 + 0.1) / 4)
    assert found.inside is not None and found.inside.value == 0.875
    assert found.agreement is not None and found.agreement.accuracy is not None
    assert found.agreement.accuracy.value == 0.75  # 3 of 4 at .5
    assert found.agreement.kappa == pytest.approx(0.5)  # p_e = .75*.5 + .25*.5 = .5
    assert (found.knows, found.read, found.problems, found.unscored) == ("nothing", 0.0, 2, 0)
    assert found.steps is None
    text = str(found)
    assert "AUC 0.875" in text and "kappa 0.500" in text and "knows nothing" in text


def test_scores_on_the_log_scale_have_an_area_only():
    found = ran((-1.0, -5.0, -2.0), "100").scorer_quality("arm")
    assert found.finished is not None and found.finished.auc is not None
    assert found.finished.auc.value == 1.0 and found.finished.bins == ()
    assert found.agreement is None


def test_a_problem_whose_traces_are_all_alike_says_nothing_of_choosing():
    found = ran((0.2, 0.3), "11").scorer_quality("arm", 500)
    assert found.inside is None and found.finished is not None and found.finished.auc is None


def test_what_cannot_be_told_says_so():
    report = ran((0.2,), "1")
    with pytest.raises(UnknownName, match="arm"):
        report.scorer_quality("other")
    with pytest.raises(UnknownName, match="budget"):
        report.scorer_quality("arm", 7)
    with pytest.raises(BadInput, match="hold its task"):
        replace(report, task=None).scorer_quality("arm")
    votes = compare(["self-consistency(n=2)"], TASK, Scripted(), [100], progress=False)
    with pytest.raises(BadInput, match="no scored trace"):
        votes.scorer_quality("self-consistency(n=2)")


def test_what_a_reading_scorer_costs_is_told():
    from search.scorers import Likelihood

    arm = BestOfN(2, scorer=Likelihood(model=Scripted()))
    report = compare({"arm": arm}, TASK, Scripted(), [500], progress=False)
    found = report.scorer_quality("arm")
    assert found.read == report.row("arm", 500).scored > 0


@pytest.mark.parametrize("logged", [True, False], ids=["logged", "in memory"])
def test_scores_of_unfinished_traces_are_set_against_the_exact_value(tmp_path: Path, logged: bool):
    task = load_task("countdown", n=6, numbers=3)
    arms = {"exact": BestFirst(scorer="exact-value"), "graded": BestFirst(scorer="graded(auc=0.8)")}
    report = compare(arms, task, Mover(), [300], progress=False,
                     out=tmp_path / "run" if logged else None)  # fmt: skip
    exact, graded = report.scorer_quality("exact"), report.scorer_quality("graded")
    assert exact.steps is not None and exact.steps.auc is not None
    assert exact.steps.auc.value == 1.0 and exact.steps.brier == 0.0
    assert exact.knows == "solution"
    values, scores = [], []
    for problem in task.problems:
        tree = report.tree(problem.id, "graded")
        for node in tree.nodes[1:]:
            value = task.value(problem, tree.texts(node))
            if not node.over and node.same_as < 0 and node.score is not None and value is not None:
                values.append(value == 1)
                scores.append(node.score)
    assert graded.steps is not None and graded.steps.auc is not None
    assert graded.steps.auc.value == pytest.approx(auc(scores, values))
    assert (graded.steps.n, graded.steps.base) == (len(values), sum(values) / len(values))
    if logged:
        again = Report.load(tmp_path / "run", task).scorer_quality("graded")
        assert again == graded
