"""PreferencePair: one question with a trace that is preferred to another, as plain data.

What direct preference optimisation (Rafailov et al. 2023, section 3) and outcome reward models
learn from. Files hold one pair a line (JSONL).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from evaluators.errors import BadInput, UnknownName
from reasoning.core import Finish, Message, Prompt, SeedPath
from reasoning.data.lines import read_lines, save_lines
from reasoning.data.rows import Piece, TraceRow, digest
from reasoning.data.tokens import Tokens, tokens_of
from reasoning.models.encode import Encoder

Item = TypeVar("Item")


@dataclass(frozen=True)
class Side:
    """One of the two traces: its text in pieces, why it ended, and the id of its row or node."""

    pieces: tuple[Piece, ...]
    finish: Finish
    id: str = ""

    @property
    def text(self) -> str:
        """Everything after the prompt."""
        return "".join(piece.text for piece in self.pieces)

    @staticmethod
    def of(row: TraceRow) -> Side:
        """A row's trace as a side."""
        return Side(row.pieces, row.finish, row.id)


@dataclass(frozen=True)
class PreferencePair:
    """`chosen` is preferred to `rejected` as what follows the prompt (`messages`, `prefix`).

    `origin` tells who preferred it: `verdict` (one passes the verifier, one does not), `length`
    (both pass, one is shorter), `tree` (siblings of a search tree), `rater`, `person`. `task` and
    `instance` are those of the rows (see `TraceRow`).
    """

    id: str
    messages: tuple[Message, ...]
    chosen: Side
    rejected: Side
    prefix: str = ""
    dialect: Literal["compact", "plain"] = "compact"
    origin: str = "verdict"
    task: str = ""
    instance: str = ""

    @property
    def prompt(self) -> Prompt:
        """What both sides continue."""
        return Prompt(self.messages, self.prefix)

    def tokens(self, encoder: Encoder) -> tuple[Tokens, Tokens]:
        """The chosen and the rejected side as ids, after the prompt; only model text is learned."""
        return (
            tokens_of(self.prompt, self.chosen.pieces, self.chosen.finish, encoder),
            tokens_of(self.prompt, self.rejected.pieces, self.rejected.finish, encoder),
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values; `from_json` reads them."""
        return asdict(self)

    @staticmethod
    def from_json(row: Mapping[str, Any]) -> PreferencePair:
        """A pair from its JSON values. Raises BadInput for values that are no pair."""
        try:
            sides = {
                name: Side(tuple(Piece(**p) for p in row[name]["pieces"]),
                           row[name]["finish"], row[name].get("id", ""))
                for name in ("chosen", "rejected")
            }  # fmt: skip
            messages = tuple(Message(**m) for m in row["messages"])
            return PreferencePair(**{**row, "messages": messages, **sides})
        except (TypeError, KeyError, AttributeError) as error:
            raise BadInput(f"this is no preference pair ({error})") from error


def pair(
    chosen: TraceRow, rejected: TraceRow, origin: str = "verdict"
) -> PreferencePair:  # fmt: skip
    """Two rows of one prompt as a pair. Raises BadInput for rows of different prompts."""
    if (chosen.messages, chosen.prefix) != (rejected.messages, rejected.prefix):
        raise BadInput(
            f"rows {chosen.id} and {rejected.id} answer different prompts: they make no pair"
        )
    return PreferencePair(
        id=digest([chosen.id, rejected.id, origin]),
        messages=chosen.messages, prefix=chosen.prefix, dialect=chosen.dialect,
        chosen=Side.of(chosen), rejected=Side.of(rejected),
        origin=origin, task=chosen.task, instance=chosen.instance,
    )  # fmt: skip


def pairs_from(
    rows: Iterable[TraceRow], *, by: Literal["verdict", "length"] = "verdict",
    each: int = 4, seed: int = 0,
) -> list[PreferencePair]:  # fmt: skip
    """At most `each` pairs of every prompt, drawn by the seed.

    `verdict` pairs a row that its verifier passed with one that it did not; `length` pairs, among
    the passed ones, a shorter with a longer. Rows without a verdict and equal texts are left out.
    A row is used again only when every other of its side was used as often. Raises BadInput for
    `each` below 1, UnknownName for another `by`.
    """
    if each < 1:
        raise BadInput(f"each must be 1 or more pairs a prompt, not {each}")
    if by not in ("verdict", "length"):
        raise UnknownName("way to pair", by, ("verdict", "length"))
    groups: dict[tuple[Any, ...], dict[tuple[str, str], TraceRow]] = defaultdict(dict)
    for row in rows:
        if row.verdict is not None and row.pieces:
            key = (row.task, row.messages, row.prefix)
            groups[key].setdefault((row.text, row.finish), row)
    found = []
    for at, group in enumerate(groups.values()):
        rng = np.random.Generator(np.random.Philox(key=SeedPath(seed, ("pairs", at)).key))
        kept = list(group.values())
        right = _shuffled([row for row in kept if row.correct], rng)
        if by == "verdict":
            wrong = _shuffled([row for row in kept if not row.correct], rng)
            couples = _matched(right, wrong, each)
        else:
            couples = _by_length(right, each)
        found += [pair(good, bad, by) for good, bad in couples]
    return found


def fingerprint(pairs: Iterable[PreferencePair]) -> str:
    """A hash of what the pairs teach, in their order."""
    return digest(
        [
            [[asdict(m) for m in p.messages], p.prefix,
             *([[asdict(x) for x in side.pieces], side.finish] for side in (p.chosen, p.rejected))]
            for p in pairs
        ]
    )  # fmt: skip


def save(pairs: Sequence[PreferencePair], path: Path) -> None:
    """One pair a line; the file is there when it is whole."""
    save_lines((p.to_json() for p in pairs), path)


def read(path: Path) -> list[PreferencePair]:
    """What `save` wrote. Raises BadInput naming the line that cannot be read."""
    return read_lines(path, PreferencePair.from_json)


def _shuffled(items: list[Item], rng: np.random.Generator) -> list[Item]:
    return [items[i] for i in rng.permutation(len(items))]


def _matched(
    right: list[TraceRow], wrong: list[TraceRow], each: int
) -> list[tuple[TraceRow, TraceRow]]:
    """Different couples, walking both sides round; the offset grows once both have come round."""
    if not right or not wrong:
        return []
    found: list[tuple[TraceRow, TraceRow]] = []
    wide, narrow = max(len(right), len(wrong)), min(len(right), len(wrong))
    for at in range(min(each, wide * narrow)):
        shift, place = divmod(at, wide)
        long, short = place, (place + shift) % narrow
        ours, theirs = (long, short) if len(right) == wide else (short, long)
        found.append((right[ours], wrong[theirs]))
    return found


def _by_length(right: list[TraceRow], each: int) -> list[tuple[TraceRow, TraceRow]]:
    """Short with long, from the outside in."""
    ordered = sorted(right, key=lambda row: (row.n_tokens, len(row.text)))
    couples = zip(ordered, reversed(ordered), strict=True)
    inner = list(couples)[: len(ordered) // 2]
    return [(a, b) for a, b in inner if a.n_tokens < b.n_tokens][:each]
