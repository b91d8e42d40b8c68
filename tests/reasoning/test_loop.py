import asyncio
import concurrent.futures
import os
import signal
import threading
import time

import pytest

from evaluators.errors import LabError
from reasoning.loop import Handle, inside, lab_loop, run, start


async def work(value, seconds=0.0):
    await asyncio.sleep(seconds)
    return value, inside()


def test_a_plain_call_runs_in_the_loops_own_thread():
    assert run(work(3)) == (3, True)
    assert not inside()


def test_errors_come_out_as_they_are():
    async def fail():
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(fail())


def test_a_timeout_of_the_work_itself_is_not_taken_for_waiting():
    async def fail():
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        run(fail())


def test_many_threads_share_the_loop():
    results = []
    threads = [
        threading.Thread(target=lambda i=i: results.append(run(work(i, 0.01)))) for i in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(value for value, _ in results) == [0, 1, 2, 3, 4]


def test_a_plain_call_works_while_the_callers_own_loop_runs():
    async def cell():
        return run(work(1))  # as in a notebook cell, whose thread has a running loop

    assert asyncio.run(cell()) == (1, True)


def test_a_plain_call_inside_the_loop_says_to_await():
    async def nested():
        run(work(1))

    with pytest.raises(LabError, match="await"):
        run(nested())


def test_a_handle_reports_progress_and_stops():
    seen = []

    async def count():
        for i in range(1000):
            seen.append(i)
            await asyncio.sleep(0.005)

    handle = start(count(), progress=lambda: len(seen))
    while handle.progress < 2:
        time.sleep(0.005)
    assert not handle.done()
    with pytest.raises(TimeoutError):
        handle.result(0.01)
    handle.stop()
    with pytest.raises(concurrent.futures.CancelledError):
        handle.result(5)
    assert handle.done()
    assert isinstance(handle, Handle)


def test_work_that_is_stopped_before_it_began_still_says_how_it_ended():
    async def catches():
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "what there was"

    gate = threading.Event()
    lab_loop().call_soon_threadsafe(gate.wait)  # until then nothing begins
    handle = start(catches())
    handle.stop()
    gate.set()
    assert handle.result(5) == "what there was"


def test_ctrl_c_waits_until_the_work_has_ended():
    ended = []

    async def slow():
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.2)
            ended.append(True)

    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(slow())
    assert ended == [True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_gets_a_loop_of_its_own():
    run(work(0))
    child = os.fork()
    if child == 0:
        os._exit(0 if run(work(5)) == (5, True) else 1)
    assert os.waitpid(child, 0)[1] == 0
