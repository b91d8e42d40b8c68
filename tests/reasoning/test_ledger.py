import numpy as np
import pytest

from evaluators.errors import BadInput
from reasoning.core import Usage
from reasoning.ledger import Budget, Ledger, Price


def reserve(ledger, tokens, **more):
    return ledger.reserve(purpose="sample", model="m", key="k", max_tokens=tokens, **more)


def test_a_grant_is_shortened_to_what_is_left_and_settling_gives_back():
    ledger = Ledger(Budget(tokens=10))
    first = reserve(ledger, 8)
    second = reserve(ledger, 8)
    assert (first.max_tokens, second.max_tokens) == (8, 2)
    first.settle(Usage(5, 2, 3))
    assert ledger.left_tokens == 5
    assert ledger.shortened


def test_nothing_left_writes_no_row():
    ledger = Ledger(Budget(tokens=0))
    grant = reserve(ledger, 4)
    grant.settle(Usage())
    assert grant.empty
    assert ledger.rows == []


def test_a_lost_call_stands_at_its_reserved_maximum():
    ledger = Ledger(Budget(tokens=10))
    reserve(ledger, 6).lose("time-out")
    assert ledger.left_tokens == 4
    assert ledger.rows[0].lost == "time-out"


def test_a_withdrawn_grant_leaves_no_trace_and_only_the_latest_can_be_withdrawn():
    ledger = Ledger(Budget(tokens=10, calls=3))
    first, second = reserve(ledger, 4), reserve(ledger, 4)
    with pytest.raises(RuntimeError):
        first.withdraw()
    second.withdraw()
    first.withdraw()
    assert ledger.rows == []
    assert (ledger.left_tokens, ledger.left_calls) == (10, 3)


def test_settling_twice_is_a_mistake():
    grant = reserve(Ledger(), 4)
    grant.settle(Usage(0, 0, 1))
    with pytest.raises(RuntimeError, match="twice"):
        grant.settle(Usage(0, 0, 1))


def test_reading_is_granted_whole_or_not_at_all():
    ledger = Ledger(Budget(tokens=10))
    read = ledger.reserve_reading(purpose="score", model="m", key="s", tokens=7)
    read.settle(Usage())
    refused = ledger.reserve_reading(purpose="score", model="m", key="s", tokens=4)
    assert (read.max_tokens, refused.empty) == (7, True)
    assert (ledger.spent.scored, ledger.spent.completion, ledger.spent.tokens) == (7, 0, 7)


@pytest.mark.parametrize(
    ("budget", "want", "length", "width"),
    [
        (Budget(tokens=100), 8, 30, 3),
        (Budget(tokens=100), 2, 30, 2),
        (Budget(tokens=10), 8, 30, 1),
        (Budget(tokens=0), 8, 30, 0),
        (Budget(calls=3), 8, 30, 3),
        (Budget(tokens=100, calls=2), 8, 30, 2),
        (Budget(), 8, 30, 8),
    ],
)
def test_a_wave_is_no_wider_than_what_is_left_can_pay(budget, want, length, width):
    assert Ledger(budget).width(want, length) == width


def test_flops_are_capped_with_the_prompt_counted():
    ledger = Ledger(Budget(flops=1000))
    grant = reserve(ledger, 99, prompt_tokens=20, flops_per_token=10.0)
    assert grant.max_tokens == 80
    grant.settle(Usage(20, 10, 30))
    assert ledger.spent.flops == 500


def test_a_parent_stops_its_children_and_counts_what_they_spend():
    parent = Ledger(Budget(tokens=10, calls=3))
    one, two = Ledger(Budget(tokens=8), parent=parent), Ledger(parent=parent)
    reserve(one, 8).settle(Usage(1, 0, 7))
    assert two.left_tokens == 3
    assert reserve(two, 8).max_tokens == 3
    assert parent.spent.tokens == 10
    assert one.exhausted() and two.exhausted()
    assert two.bounded and not Ledger().bounded


def test_a_run_stops_after_its_seconds():
    now = [0.0]
    parent = Ledger(Budget(seconds=5), clock=lambda: now[0])
    child = Ledger(parent=parent)
    assert reserve(child, 4).max_tokens == 4
    now[0] = 5.0
    assert reserve(child, 4).empty


def test_dollars_need_a_price_and_stop_at_the_cap():
    ledger = Ledger(Budget(dollars=1.0))
    with pytest.raises(BadInput, match="price"):
        reserve(ledger, 4)
    with pytest.raises(BadInput, match="scoring"):
        ledger.reserve_reading(purpose="score", model="m", key="s", tokens=3)
    price = Price(prompt=1e5, cached=0.0, completion=2e5)  # 0.1 and 0.2 dollars a token
    grant = reserve(ledger, 99, prompt_tokens=4, price=price)
    assert grant.max_tokens == 3
    grant.settle(Usage(4, 2, 1))
    assert ledger.spent.dollars == pytest.approx(0.4)


def test_discarding_marks_all_rows_of_a_key_once():
    ledger = Ledger()
    reserve(ledger, 4).settle(Usage(0, 0, 4))
    ledger.discard("k", "rejected")
    ledger.discard("k", "again")
    assert ledger.rows[0].discarded == "rejected"
    assert ledger.spent.completion == 4


def test_the_totals_are_the_sum_of_the_rows_whatever_happens_to_the_grants():
    rng = np.random.default_rng(0)
    for _ in range(50):
        cap = int(rng.integers(0, 200))
        ledger, open_ = Ledger(Budget(tokens=cap)), []
        for _ in range(40):
            if open_ and rng.random() < 0.5:
                grant = open_.pop(int(rng.integers(len(open_))))
                if rng.random() < 0.2:
                    grant.lose("cut")
                else:
                    grant.settle(Usage(3, 1, int(rng.integers(0, grant.max_tokens + 1))))
            else:
                open_.append(reserve(ledger, int(rng.integers(0, 30))))
            for name in ("tokens", "completion", "prompt", "calls"):
                assert getattr(ledger.spent, name) == sum(getattr(r, name) for r in ledger.rows)
            assert ledger.spent.tokens <= cap


@pytest.mark.parametrize("name", ["tokens", "calls", "flops", "seconds", "dollars"])
def test_a_negative_cap_is_refused(name):
    with pytest.raises(BadInput, match=name):
        Budget(**{name: -1})
