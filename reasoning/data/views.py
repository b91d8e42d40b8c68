"""Views: the rows of one data set as the columns that a trainer or another tool reads.

Every view says which of its text is the model's own: `learn` holds [start, end) of the characters
that are to be learned (the token view holds one truth value a token), and `masked` turns text and
spans into token ids and labels. Forced text, a tool's words and prompts are in no span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evaluators.answers import marked
from evaluators.errors import BadInput, UnknownName
from evaluators.tasks.base import END_THINK, THINK, Task
from reasoning.core import Message
from reasoning.data.pairs import PreferencePair
from reasoning.data.rows import Piece, TraceRow
from reasoning.data.tokens import UNLEARNED, Tokens, tokenised
from reasoning.models.encode import Encoder
from reasoning.train.labels import Labelled, cut

Columns = dict[str, Any]
Spans = list[list[int]]
Form = Literal["auto", "chat", "text"]

VIEWS = {
    "messages": "chat turns, the last with <think>…</think> and the answer",
    "prompt-completion": "prompt and completion, as chat turns or as the text that is read",
    "preferences": "a prompt with a chosen and a rejected completion",
    "steps": "prompt, steps and the value of each: process labels",
    "tokens": "token ids and labels of one model: what a teacher's logits are cached for",
}
"""The views, each with what it shows."""


def view(name: str, rows: Sequence[Any], **options: Any) -> list[Columns]:
    """The view of this name of traces (of PreferencePairs for `preferences`). Raises UnknownName
    and BadInput."""
    made: dict[str, Callable[..., list[Columns]]] = {
        "messages": messages, "prompt-completion": prompt_completion,
        "preferences": preferences, "steps": steps, "tokens": tokens,
    }  # fmt: skip
    if name not in made:
        raise UnknownName("view", name, VIEWS)
    return made[name](rows, **options)


def messages(rows: Iterable[TraceRow]) -> list[Columns]:
    """`messages`: the turns, the reasoning of the last between <think> and </think>.

    A tag that the prompt opened moves into the answer's turn. Where the trace has no tags (the
    plain dialect), what stands before the line of its last `Answer:` or box is put between them;
    the closing tag counts as the model's where the text before it does: a student has to write it.
    The opening tag is the prompt's: chat templates of reasoning models write it.
    """
    made = []
    for row in rows:
        turns, content, learn = _turns(row.messages, row.prefix, row.pieces)
        turns.append({"role": "assistant", "content": content})
        made.append({**_told(row), "messages": turns, "learn": learn})
    return made


def prompt_completion(rows: Iterable[TraceRow], form: Form = "auto") -> list[Columns]:
    """`prompt` and `completion`: `text` as the compact dialect reads them, `chat` as turns (the
    completion's with <think>), `auto` by the row's dialect."""
    made = []
    for row in rows:
        if _as_text(form, row.dialect):
            prompt: Any = _prompt_text(row.messages, row.dialect)
            completion, learn = _with_prefix(row.prefix, row.pieces)
        else:
            prompt, content, learn = _turns(row.messages, row.prefix, row.pieces)
            completion = [{"role": "assistant", "content": content}]
        made.append({**_told(row), "prompt": prompt, "completion": completion, "learn": learn})
    return made


def preferences(pairs: Iterable[PreferencePair], form: Form = "auto") -> list[Columns]:
    """`prompt`, `chosen`, `rejected`, with `chosen_learn` and `rejected_learn`, in the forms of
    `prompt_completion`."""
    made = []
    for pair in pairs:
        text = _as_text(form, pair.dialect)
        row: Columns = {"id": pair.id, "origin": pair.origin}
        for name, side in (("chosen", pair.chosen), ("rejected", pair.rejected)):
            if text:
                row["prompt"] = _prompt_text(pair.messages, pair.dialect)
                row[name], learn = _with_prefix(pair.prefix, side.pieces)
            else:
                row["prompt"], content, learn = _turns(pair.messages, pair.prefix, side.pieces)
                row[name] = [{"role": "assistant", "content": content}]
            row[f"{name}_learn"], row[f"{name}_ended"] = learn, side.finish == "eos"
        made.append(row)
    return made


def steps(rows: Iterable[TraceRow], task: Task | Mapping[str, Task] | None = None) -> list[Columns]:
    """`prompt`, `completions` (the steps) and `labels`: the value of each step, None where it is
    not known or not the model's. Rows without labels are labelled exactly by `task` (or by the one
    of their name)."""
    made, kept = [], list(rows)
    for row, one in zip(kept, labelled(kept, task), strict=True):
        made.append({**_told(row), "prompt": one.pieces[0], "completions": list(one.pieces[1:]),
                     "labels": list(one.labels[1:])})  # fmt: skip
    return made


def labelled(
    rows: Iterable[TraceRow], task: Task | Mapping[str, Task] | None = None
) -> list[Labelled]:
    """Rows as the process labels that a reward model learns from (`reasoning.train`).

    A row's own labels, or those that the task computes exactly; None for a step that is not wholly
    the model's. Raises BadInput for a row without labels and no task.
    """
    made = []
    for row in rows:
        asked = "\n".join(message.content for message in row.messages) + row.prefix
        judge = task.get(row.task) if isinstance(task, Mapping) else task
        texts = cut(row.text, "\n" if judge is None else judge.boundary)
        if row.labels is not None:
            values: Sequence[float | None] = row.labels
        elif judge is not None:
            values = _exact(row, texts, judge)
        else:
            raise BadInput(f"trace {row.id} has no labels of its steps: name the task that has")
        if len(values) != len(texts):
            raise BadInput(
                f"trace {row.id} has {len(values)} labels for {len(texts)} steps: label it again"
            )
        known = [v if own else None for v, own in zip(values, _own(row, texts), strict=True)]
        right = None if row.verdict is None else row.correct
        made.append(Labelled(row.task, row.problem["id"], (asked, *texts), (None, *known), right))
    return made


def tokens(rows: Iterable[TraceRow], encoder: Encoder) -> list[Columns]:
    """`input_ids`, `labels` (UNLEARNED where nothing is learned), `completion_mask` and `prompt`
    (how many ids are the prompt's), for the model of this encoder."""
    made = []
    for row in rows:
        one = tokenised(row, encoder)
        mask = [int(on) for on in one.learn]
        made.append({**_told(row), "input_ids": list(one.ids), "labels": one.labels,
                     "completion_mask": mask, "prompt": one.prompt})  # fmt: skip
    return made


def as_tokens(columns: Iterable[Mapping[str, Any]]) -> list[Tokens]:
    """The token view as what a teacher's cache is built on (`reasoning.train.teacher_cache`)."""
    return [
        Tokens(tuple(c["input_ids"]), tuple(map(bool, c["completion_mask"])), c["prompt"])
        for c in columns
    ]


@dataclass(frozen=True)
class Masked:
    """Token ids, and for each the id to predict or UNLEARNED."""

    ids: list[int]
    labels: list[int]


def masked(before: str, text: str, learn: Spans, tokenizer: Any) -> Masked:
    """`before` + `text` as ids of a transformers tokenizer that knows where its tokens stand; a
    token is learned when all of it lies in one span of `text` (`learn`, characters).

    `before` is the rendered prompt; no special tokens are added. Raises BadInput for a tokenizer
    that cannot tell (a slow one).
    """
    if not getattr(tokenizer, "is_fast", False):
        raise BadInput("masks need a fast tokenizer, which knows where its tokens stand")
    found = tokenizer(before + text, add_special_tokens=False, return_offsets_mapping=True)
    shift = len(before)
    spans = [(low + shift, high + shift) for low, high in learn]
    labels = [
        i if low < high and any(a <= low and high <= b for a, b in spans) else UNLEARNED
        for i, (low, high) in zip(found["input_ids"], found["offset_mapping"], strict=True)
    ]
    return Masked(list(found["input_ids"]), labels)


# -- inside ------------------------------------------------------------------------------


def _told(row: TraceRow) -> Columns:
    """The columns that all views of traces share."""
    right = None if row.verdict is None else row.correct
    return {"id": row.id, "task": row.task, "correct": right, "ended": row.finish == "eos"}


def _as_text(form: str, dialect: str) -> bool:
    if form not in ("auto", "chat", "text"):
        raise UnknownName("form", form, ("auto", "chat", "text"))
    return form == "text" or (form == "auto" and dialect == "compact")


def _plain(turns: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def _prompt_text(turns: Sequence[Message], dialect: str) -> str:
    """A prompt as a model without a chat template reads it (`Encoder.text`)."""
    body = "\n".join(turn.content for turn in turns)
    return body if dialect == "compact" or not turns else body + "\n"


def _with_prefix(prefix: str, pieces: Sequence[Piece]) -> tuple[str, Spans]:
    """Prefix and pieces as one text, and the spans of it that the model wrote."""
    text, spans = prefix, []
    for piece in pieces:
        if piece.source == "model" and piece.text:
            end = len(text) + len(piece.text)
            if spans and spans[-1][1] == len(text):
                spans[-1][1] = end
            else:
                spans.append([len(text), end])
        text += piece.text
    return text, spans


def _turns(
    asked: Sequence[Message], prefix: str, pieces: Sequence[Piece]
) -> tuple[list[dict[str, str]], str, Spans]:
    """The prompt's turns, the answer's content with tags, and its spans."""
    turns, (content, learn) = _plain(asked), _with_prefix(prefix, pieces)
    if turns and turns[-1]["content"].endswith(THINK):
        turns[-1]["content"] = turns[-1]["content"].removesuffix(THINK)
        return turns, THINK + content, _moved(learn, len(THINK))
    if THINK in content or END_THINK in content:
        return turns, content, learn
    mark = marked(content)
    if mark is None:
        return turns, content, learn
    at = mark[0]
    if not content[:at].strip():
        return turns, content, learn
    opened, close = THINK + "\n", END_THINK + "\n"
    own = any(low < at <= high for low, high in learn)
    spans = [
        [low + (low >= at) * len(close), high + (high > at or (high == at and own)) * len(close)]
        for low, high in learn
    ]
    return turns, opened + content[:at] + close + content[at:], _moved(spans, len(opened))


def _moved(spans: Spans, by: int) -> Spans:
    return [[low + by, high + by] for low, high in spans]


def _exact(row: TraceRow, texts: Sequence[str], task: Task) -> list[float | None]:
    """The exact value after each step, what stood before the trace included. Raises BadInput for a
    task that can tell none."""
    if type(task).value is Task.value:
        raise BadInput(
            f"task {task.name!r} cannot tell the exact value of a step: label by rollouts"
            " (`reasonlab train reward --labels rollouts`)"
        )
    problem, found, so_far = row.asked(), [], row.prefix
    for text in texts:
        so_far += text
        found.append(task.value(problem, cut(so_far, task.boundary)))
    return found


def _own(row: TraceRow, texts: Sequence[str]) -> list[bool]:
    """For each step whether the model wrote all of it."""
    _, spans = _with_prefix("", row.pieces)
    found, at = [], 0
    for text in texts:
        end = at + len(text)
        found.append(any(low <= at and end <= high for low, high in spans))
        at = end
    return found
