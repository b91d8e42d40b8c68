"""When an endpoint is asked again, how late, and when it is left alone."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from endpoints import Waits, ask, endpoint
from fault_server import FaultServer

from evaluators.errors import BadInput, LabError
from reasoning import Ledger, Sampling, SeedPath
from reasoning.models.endpoint.retry import (
    Backoff,
    Breaker,
    Fault,
    LeftAlone,
    Retrier,
    ServerFault,
    retry_after,
)

NOW = 1_000_000_000.0  # Sun, 09 Sep 2001 01:46:40 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Sun, 09 Sep 2001 01:47:10 GMT"}, 30.0),
        ({"retry-after": "Sun, 09 Sep 2001 01:46:00 GMT"}, 0.0),
    ],
    ids=str,
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers, seconds):
    assert retry_after(headers, NOW) == seconds


def test_jitter_is_full_and_bounded_by_a_doubling_ceiling():
    backoff, rng = Backoff(base=0.5, cap=8.0), np.random.default_rng(1)
    for attempt, ceiling in enumerate([0.5, 1.0, 2.0, 4.0, 8.0, 8.0]):
        delays = np.array([backoff.delay(attempt, rng) for _ in range(2000)])
        assert delays.min() >= 0.0 and delays.max() <= ceiling
        assert delays.min() < 0.02 * ceiling and delays.max() > 0.98 * ceiling
        assert abs(delays.mean() - ceiling / 2) < 0.03 * ceiling  # five standard errors
    assert backoff.delay(10_000, rng) <= 8.0


def test_a_time_that_the_server_names_is_never_cut_short():
    backoff, rng = Backoff(base=0.5), np.random.default_rng(2)
    delays = [backoff.delay(attempt, rng, 7.0) for attempt in range(200)]
    assert min(delays) >= 7.0 and max(delays) <= 7.5 and len(set(delays)) == 200


@pytest.mark.parametrize("fault", ["429-after", "429-date", "503-after"])
def test_the_wait_that_a_server_asks_for_is_kept(fault):
    with FaultServer(lambda number, body: fault if number < 2 else None) as server:
        waits, ledger = Waits(), Ledger()
        made = asyncio.run(
            endpoint(server, waits).generate(ask(), Sampling(20), ledger, SeedPath(0))
        )
    assert made[0].finish == "eos" and len(ledger.rows) == 1 and len(waits.seconds) == 2
    slack = 1.0 if fault == "429-date" else 0.0  # a date has whole seconds
    assert all(7.0 - slack <= seconds <= 7.5 for seconds in waits.seconds)


def test_a_wait_of_hours_is_not_waited_for():
    with FaultServer(lambda number, body: "429-after", wait="7200") as server:
        waits = Waits()
        with pytest.raises(ServerFault, match="asks to wait 7200 s"):
            asyncio.run(endpoint(server, waits).generate(ask(), Sampling(9), Ledger(), SeedPath(0)))
    assert not waits.seconds and len(server.requests) == 1


def test_a_request_that_is_refused_is_not_repeated():
    with FaultServer(lambda number, body: "400") as server:
        call = endpoint(server).generate(ask(), Sampling(9), Ledger(), SeedPath(0))
        with pytest.raises(ServerFault, match="I do not like this request"):
            asyncio.run(call)
    assert len(server.requests) == 1


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_breaker_opens_after_failures_in_a_row_and_tries_one_call_later():
    clock = Clock()
    breaker = Breaker("m", limit=3, cooldown=30.0, clock=clock)
    for _ in range(2):
        breaker.failed("it is down")
    breaker.answered()  # in a row: an answer in between begins anew
    for _ in range(2):
        breaker.failed("it is down")
    breaker.admit()
    breaker.failed("it is down")
    assert breaker.open
    with pytest.raises(LeftAlone, match=r"m: 3 calls in a row failed.*it is down.*--resume"):
        breaker.admit()
    clock.now = 31.0
    breaker.admit()
    with pytest.raises(LeftAlone):
        breaker.admit()  # one at a time
    breaker.answered()
    breaker.admit()
    assert not breaker.open


def test_a_refusal_is_final():
    clock = Clock()
    breaker = Breaker("m", clock=clock)
    breaker.refused(BadInput("no such key"))
    clock.now = 1e9
    breaker.answered()
    with pytest.raises(LabError, match="no such key"):
        breaker.admit()


def test_a_retrier_asks_as_often_as_it_may_and_tells_of_every_fault():
    waits, told = Waits(), []
    breaker = Breaker("m", limit=1)
    retrier = Retrier(Backoff(retries=2), breaker, np.random.default_rng(0), waits)

    async def asked():
        raise Fault("down", spent=True)

    with pytest.raises(ServerFault, match="down, 3 times"):
        asyncio.run(retrier.persist(asked, lambda fault: told.append(fault.reason)))
    assert told == ["down"] * 3 and len(waits.seconds) == 2 and breaker.open


@pytest.mark.parametrize("retries", [-1, 1.5, "many"])
def test_retries_are_a_whole_number(retries):
    with pytest.raises(BadInput, match="option retries"):
        Backoff(retries=retries)
