"""Streak: proposals one after the other that came to nothing, and when that is the end."""

from __future__ import annotations

from evaluators.errors import LabError
from search.evolve.program import Program

HOPELESS = 8
"""So many proposals lost at the very beginning of a session, and none there, end it."""

DRY = 10_000
"""So many proposals in a row without a program that is new end a run: its proposer has run dry."""


class Streak:
    """Counts proposals in a row that came to nothing.

    Raises LabError when, of those committed in this session, all of the first HOPELESS (or all
    there are) were lost, or later at least HOPELESS and two windows one after the other: a server
    that is down must not eat a night. `dry` when DRY in a row, of earlier sessions too, brought no
    program that had to be evaluated: a run that only time ends must not fill the disk.
    """

    def __init__(self, window: int, last: int | None) -> None:
        self._long, self._last = max(HOPELESS, 2 * window), last
        self._committed = self._lost = self._known = 0

    @property
    def dry(self) -> bool:
        return self._known >= DRY

    def add(self, program: Program, earlier: bool) -> None:
        """Count a committed program; `earlier`: of a session before this one."""
        self._known = 0 if program.evaluation is not None else self._known + 1
        if earlier or program.k == 0:
            return
        self._committed += 1
        self._lost = self._lost + 1 if program.lost else 0
        lost, at_end = self._lost, program.k == self._last
        all_of_them = lost == self._committed and (lost >= HOPELESS or at_end)
        if lost and (all_of_them or lost >= self._long):
            raise LabError(
                f"the last {lost} proposals were all lost: {program.reason}. What was committed is"
                " kept; resume when the model answers again"
            )
