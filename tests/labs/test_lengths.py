"""Chains by length: pooled buckets, differences inside a problem, and what is left out."""

from __future__ import annotations

import pytest

from labs.chain_figures import buckets_chart, lengths_chart
from labs.exercises.chain import longer_minus_shorter
from labs.lengths import Chain, beside_usual, bucket, kind, over_problems, pooled, within


def chains(problem: str, *runs: tuple[int, bool]) -> list[Chain]:
    return [Chain(problem, tokens, right) for tokens, right in runs]


# Inside each problem the longer chain is the right one; the hard problem is long and mostly missed.
SIMPSON = [
    *chains("easy", (10, False), (20, True), (20, True), (30, True)),
    *chains("hard", (80, False), (100, False), (100, False), (120, True)),
]


def test_pooled_buckets_hold_every_chain_once_with_its_accuracy() -> None:
    low, high = pooled(SIMPSON, parts=2)
    assert (low.label, low.chains, low.problems) == ("10 to 30", 4, 1)
    assert (high.label, high.chains, high.problems) == ("80 to 120", 4, 1)
    assert low.value and low.value.value == 0.75
    assert high.value and high.value.value == 0.25


def test_chains_of_one_length_share_a_bucket() -> None:
    [only] = pooled(chains("p", (7, True), (7, False), (7, True)), parts=4)
    assert (only.label, only.chains) == ("7", 3)
    assert pooled([]) == []


def test_inside_the_problems_the_sign_turns() -> None:
    shorter, longer = within(SIMPSON)
    # easy: shorter 0 against usual 1; hard: shorter 0 against usual 0.
    assert shorter.value and shorter.value.value == pytest.approx(-0.5)
    # easy: longer 1 against usual 1; hard: longer 1 against usual 0.
    assert longer.value and longer.value.value == pytest.approx(0.5)
    assert (shorter.problems, longer.problems) == (2, 2)
    gap = longer_minus_shorter([(c.problem, c.tokens, c.right) for c in SIMPSON])
    assert gap == pytest.approx(1.0)


def test_a_problem_without_usual_chains_to_compare_with_says_nothing() -> None:
    shorter, longer = within(chains("p", (10, True), (30, False)))
    assert shorter.value is None and longer.value is None


def test_lengths_beside_the_usual_get_the_verdict_of_their_interval() -> None:
    runs = ((50, True), (100, True), (100, True), (150, False))
    held = [chain for i in range(5) for chain in chains(f"p{i}", *runs)]
    shorter, longer = beside_usual(within(held)).split("\n")
    assert shorter.startswith("shorter chains cannot be told apart from usual ones")
    assert longer.startswith("longer chains are less accurate than usual ones")
    assert "(-1.00, 95 % interval -1.00 to -1.00; 5 problems)" in longer
    turned = [Chain(c.problem, c.tokens, not c.right) for c in held]
    assert "longer chains are more accurate than" in beside_usual(within(turned))
    assert "no problem has them and usual ones" in beside_usual(within(chains("p", (10, True))))


def test_a_tenth_off_the_median_is_still_usual() -> None:
    found = [kind(Chain("p", tokens, True), 100.0) for tokens in (89, 90, 110, 111)]
    assert found == ["shorter", "usual", "usual", "longer"]


def test_the_charts_draw_also_what_is_empty() -> None:
    png = lengths_chart(pooled(SIMPSON), within(SIMPSON))._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert len(png) > len(lengths_chart([], within([]))._repr_png_())
    assert buckets_chart([], "share")._repr_png_()


def test_a_statistic_is_resampled_by_whole_problems() -> None:
    def problems_seen(rows: list[tuple[str, int, bool]]) -> float:
        return float(len({problem for problem, _, _ in rows}))

    same = over_problems(problems_seen, SIMPSON)
    assert same and (same.value, same.low, same.high) == (2.0, 2.0, 2.0)
    share = over_problems(lambda rows: sum(r for _, _, r in rows) / len(rows), SIMPSON)
    assert share and (share.value, share.low, share.high) == (0.5, 0.25, 0.75)
    assert over_problems(lambda rows: None, SIMPSON) is None


def test_a_bucket_of_problems_says_its_share_interval_and_size() -> None:
    assert str(bucket("the vote", {"a": True, "b": False})) == (
        "the vote: 0.50 (0.09 to 0.91; 2 problems)"
    )
    assert str(bucket("nothing", {})) == "nothing: not measured"
