"""Streak: when so many proposals are lost, the fault is not the programs'."""

from __future__ import annotations

from evaluators.errors import LabError
from search.evolve.program import Program

HOPELESS = 8
"""So many proposals lost at the very beginning of a session, and none there, end it."""


class Streak:
    """Counts lost proposals in a row among those committed in this session.

    Raises LabError when all of the first HOPELESS (or all there are) were lost, or later at least
    HOPELESS and two windows one after the other: a server that is down must not eat a night.
    """

    def __init__(self, window: int, last: int | None) -> None:
        self._long, self._last = max(HOPELESS, 2 * window), last
        self._committed = self._lost = 0

    def add(self, program: Program) -> None:
        """Count a committed program."""
        if program.k == 0:
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
