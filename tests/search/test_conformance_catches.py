"""Every rule of the conformance suite can fail: strategies with one defect, and what is said."""

import re

import broken
import pytest

from search.conformance import check_strategy

CASES = [
    # defects that were measured in published libraries
    (broken.LookAheadNeverScored(), "look-ahead", "were not, the first of them"),
    (broken.AsksAfterTheEnd(), "ends", "4 of 5 calls"),
    (broken.DropsWhatItBatched(), "used", "were for nothing"),
    (broken.ValuesDoNotDecide(), "values", "'...'"),
    (broken.ScoresDoNotDecide(), "values", "'.' and '.'"),
    (broken.ValuesDoNotSteer(), "steering", "of the calls against"),
    (broken.CopiesItsState(), "growth", "function calls for a model call"),
    (broken.CountsWrong(tokens=0), "counts", "0 for "),
    (broken.CountsWrong(tokens=-1), "counts", "-1 for "),
    (broken.CountsWrong(tokens=None), "counts", "None for "),
    (broken.RunsItsOwnLoop(), "anywhere", "cannot be called from a running event loop"),
    # and what else there is to get wrong
    (broken.LookAheadNotHeeded(), "look-ahead", "an answer worth 0"),
    (broken.DropsInSilence(), "used", "tokens of .* calls are not"),
    (broken.ScoresDoNotDecide(), "optimum", "worth"),
    (broken.WorstFirst(), "values", "'"),
    (broken.WorstFirst(), "steering", "against"),
    (broken.SortsAllNodes(), "growth", "times"),
    (broken.Recursive(), "deep", "RecursionError"),
    (broken.BooksElsewhere(), "ledger", "0 on the ledger"),
    (broken.SpendsTwice(), "budget", "tokens"),
    (broken.LeavesCallsBehind(), "ledger", "on the ledger"),
    (broken.RaisesWhenSpent(), "budget", "RuntimeError: out of budget"),
    (broken.GivesNoAnswerWhenSpent(), "budget", "none, with finished traces"),
    (broken.AsksForEver(), "budget", "Runaway"),
    (broken.TakesTheQuickest(), "order", "the answers"),
    (broken.PrefersByName(), "names", "is"),
    (broken.GlobalLuck(), "seeds", "global generator"),
    (broken.SameSeedAgain(), "seeds", "draw again what was drawn"),
    (broken.DeafToItsSeed(), "other seeds", "five seeds with the same texts"),
    (broken.NumbersItsCalls(), "resume", "the answers"),
    (broken.NumbersItsCalls(), "seeds", "the answers"),
    (broken.AnswersOutOfNowhere(), "sound", "nothing of the kind"),
    (broken.InventsTraces(), "sound", "zzz"),
]


@pytest.mark.filterwarnings("ignore:coroutine|.*was never awaited")
@pytest.mark.parametrize(
    ("strategy", "rule", "said"), CASES, ids=[f"{type(s).__name__}-{rule}" for s, rule, _ in CASES]
)
def test_the_suite_catches(strategy, rule, said):
    report = check_strategy(strategy, rules=[rule])
    assert not report.ok
    assert {finding.rule for finding in report.findings} == {rule}
    assert any(re.search(said, finding.seen) for finding in report.findings), str(report)


def test_the_strategy_without_a_defect_conforms():
    report = check_strategy(broken.Climb(), depth=1200)
    assert report.ok, str(report)
    assert not report.not_apply
