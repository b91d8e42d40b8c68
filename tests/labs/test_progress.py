"""Live progress: never blocks, never floods, stops on demand, tells what went wrong."""

from __future__ import annotations

import threading
import time

from labs.widgets.progress import INTERVAL, Live, Snapshot


class Work:
    """Background work that ends when it is told to."""

    def __init__(self) -> None:
        self.ended, self.stops = threading.Event(), 0

    def done(self) -> bool:
        return self.ended.is_set()

    def stop(self) -> None:
        self.stops += 1
        self.ended.set()


def test_it_returns_at_once_and_pushes_at_most_five_snapshots_a_second() -> None:
    work, asked = Work(), 0

    def snapshot() -> Snapshot:
        nonlocal asked
        asked += 1
        return Snapshot(asked, 100)

    started = time.monotonic()
    live = Live("run", work, snapshot)
    assert time.monotonic() - started < 0.5
    time.sleep(5 * INTERVAL)
    work.ended.set()
    assert live.wait(5)
    took = time.monotonic() - started
    assert 2 <= live.pushed <= took / INTERVAL + 2


def test_the_last_snapshot_is_shown_after_the_end() -> None:
    work, state = Work(), Snapshot(0, 3)
    live = Live("run", work, lambda: state)
    state = Snapshot(3, 3, "<b>done</b>")
    work.ended.set()
    assert live.wait(5)
    bar, count = live.widget.children[0].children[1:3]
    assert (bar.value, bar.max, count.value) == (3, 3, "3/3")
    assert "&lt;b&gt;" in live.widget.children[1].value
    assert live.button.description == "Done"


def test_stop_asks_once_and_says_so() -> None:
    work = Work()
    live = Live("run", work, lambda: Snapshot(1, 2))
    live.button.click()
    live.button.click()
    assert live.wait(5)
    assert work.stops == 1
    assert live.button.description == "Stopped"
    assert live.button.disabled


def test_a_failing_snapshot_is_shown_and_ends_the_watch() -> None:
    def snapshot() -> Snapshot:
        raise ValueError("broken <table>")

    live = Live("run", Work(), snapshot)
    assert live.wait(5)
    assert "ValueError: broken &lt;table&gt;" in live.widget.children[1].value
