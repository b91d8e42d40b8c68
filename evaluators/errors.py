"""The errors that this project raises on purpose. Each message names the thing and the remedy."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class LabError(Exception):
    """Base of all errors that a user can cause or cure."""


class UnknownName(LabError):
    """A name that no registry knows."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(name, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"unknown {kind} {name!r}.{hint} Known: {', '.join(names)}.")


class BadInput(LabError):
    """A file, field or option that cannot be used as it is."""


class CannotJudge(LabError):
    """A problem that no answer could pass or fail, or a judge that broke down on it: a state of the
    problem, not a score. The others go on."""
