"""A running comparison in a cell: bar, Stop, and the accuracy of every arm so far."""

from __future__ import annotations

from labs.widgets.progress import Live, Snapshot, show
from search.comparison import Running
from search.progress import Snapshot as Progress


def so_far(progress: Progress) -> str:
    """The arms as a text table; those that have not started are left out."""
    started = [arm for arm in progress.arms if arm.done or arm.errors]
    if not started:
        return "starting"
    width = max(len(arm.arm) for arm in started)
    lines = [f"{'strategy'.ljust(width)}  budget  problems  accuracy  tokens a problem"]
    for arm in started:
        accuracy = "-" if arm.accuracy is None else f"{arm.accuracy:.2f}"
        count = arm.done + arm.errors
        lines.append(
            f"{arm.arm.ljust(width)}  {arm.budget:>6}  {count:>8}  {accuracy:>8}"
            f"  {arm.tokens / count:>16.0f}"
        )
    return "\n".join([*lines, "", str(progress)])


def watch(running: Running, title: str = "") -> Live:
    """Show a comparison that was started with `wait=False`; returns at once."""

    def snapshot() -> Snapshot:
        now: Progress = running.progress
        return Snapshot(now.done, now.total, so_far(now))

    return show(title, running, snapshot)
