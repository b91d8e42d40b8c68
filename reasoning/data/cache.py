"""What a collection keeps in its folder, in two levels, both found again by content.

Raw responses are keyed by the model's fingerprint, the prompt, the sampling and the seed path:
another model or an edited prompt is never answered from them. Parsed rows are keyed by all that
makes them: the question, the strategy, the budget, the model, and the code of task, verifier and
strategy. Where only code has changed, rows are made anew out of the responses that are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reasoning.data.rows import TraceRow
from reasoning.ledger import Row
from reasoning.logged import Responses, responses
from reasoning.runlog import EVENTS, RUN, RunLog, read_lines

_MARK = b'{"kind":"traces",'


@dataclass(frozen=True)
class Kept:
    """What came of one problem: its rows, what was spent on it, and its search tree as data."""

    rows: tuple[TraceRow, ...]
    spent: Row
    tree: Mapping[str, Any] | None = None


class Cache:
    """The folder of a collection, open for writing. Use it as a context manager.

    Raises LogBusy while another process writes into the folder, BadInput for the folder of another
    kind of run.
    """

    def __init__(self, folder: str | Path, about: Mapping[str, Any]) -> None:
        self.folder = Path(folder)
        there = (self.folder / RUN).exists()
        self.log = RunLog(self.folder, about, resume=there)

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.log.close()

    def keep(self, key: str, scope: str, kept: Kept) -> None:
        """Log what came of a problem. Raises LabError when it cannot be written."""
        rows = [_dump(row) for row in kept.rows]
        self.log.append(
            "traces", key=key, scope=scope, rows=rows, spent=asdict(kept.spent), tree=kept.tree
        )

    def parsed(self, questions: Mapping[str, Mapping[str, Any]]) -> dict[str, Kept]:
        """What was kept under these keys, each given with its question as data."""
        found = {}
        for event in read_lines(self.folder / EVENTS, _MARK):
            question = questions.get(event["key"])
            if question is not None:
                rows = tuple(TraceRow.from_json({**r, "problem": question}) for r in event["rows"])
                found[event["key"]] = Kept(rows, Row(**event["spent"]), event.get("tree"))
        return found

    def responses(self, scopes: Iterable[str]) -> Responses:
        """The logged responses of these scopes."""
        wanted = frozenset(scopes)
        return responses(self._of(wanted), frozenset()) if wanted else {}

    def lost(self, scopes: Iterable[str]) -> list[Row]:
        """What calls without an answer have cost in earlier sessions, in dollars."""
        return [
            Row("lost", "", event["scope"], dollars=event["dollars"], lost="before")
            for event in self._of(frozenset(scopes))
            if event["kind"] == "lost"
        ]

    def _of(self, scopes: frozenset[str]) -> Iterator[dict[str, Any]]:
        for mark in (b'{"kind":"response",', b'{"kind":"lost",'):
            for event in read_lines(self.folder / EVENTS, mark):
                if event["scope"] in scopes:
                    yield event


def _dump(row: TraceRow) -> dict[str, Any]:
    """A row without its question, which the key stands for. `vars` and not `asdict`, which copies
    every value."""
    known = {name: value for name, value in vars(row).items() if name != "problem"}
    messages, pieces = map(vars, row.messages), map(vars, row.pieces)
    return {**known, "messages": list(messages), "pieces": list(pieces)}
