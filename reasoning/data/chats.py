"""Import: existing JSONL chats as trace rows.

Read are `{"messages": [{"role", "content"}]}`, `{"conversations": [{"from", "value"}]}`, and pairs
of a question (`prompt`, `question`, `instruction` with `input`, `problem`) and a reply
(`completion`, `response`, `output`, `solution`, `answer`). The last assistant turn is the trace;
`each_turn` makes one of every assistant turn, with the turns before it as its prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

from evaluators.answers import Kind
from evaluators.compare import check_kind
from evaluators.errors import BadInput, CannotJudge
from evaluators.problem import Problem
from evaluators.tasks import rows as lines_of
from evaluators.tasks.base import END_THINK, THINK
from evaluators.tasks.questions import AnswerVerifier, given
from reasoning.core import Finish, Message
from reasoning.data.rows import Piece, TraceRow, digest, instance_of, question

ROLES = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant",
    "model": "assistant", "chatgpt": "assistant", "bot": "assistant", "function_call": "assistant",
    "system": "system", "developer": "system", "tool": "tool", "function": "tool",
    "observation": "tool", "tool_response": "tool", "function_response": "tool",
}  # fmt: skip
QUESTIONS = ("prompt", "question", "instruction", "problem", "query")
REPLIES = ("completion", "response", "output", "solution", "answer")
GOLDS = ("gold", "reference", "ground_truth", "expected_answer", "answer")
ENDS: dict[str, Finish] = {"stop": "eos", "eos": "eos", "end_turn": "eos", "tool_calls": "eos",
                           "length": "length", "max_tokens": "length"}  # fmt: skip
CALL, END_CALL = "<tool_call>", "</tool_call>"
"""What stands around a call of a tool, as most chat templates write it."""
EXAMPLE = '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'


@dataclass(frozen=True)
class Imported:
    """Rows out of a file of chats; `skipped` tells the line and the reason of those left out."""

    rows: tuple[TraceRow, ...]
    skipped: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        right = sum(row.correct for row in self.rows)
        judged = sum(row.verdict is not None for row in self.rows)
        text = f"{len(self.rows)} traces, {judged} judged, {right} right"
        return text + (f"; {len(self.skipped)} lines left out" if self.skipped else "")


@dataclass(frozen=True)
class _Chat:
    """One line, read: turns before a reply, the reply, and what is known beside them."""

    asked: tuple[Message, ...]
    reply: str
    row: Mapping[str, Any] = field(default_factory=dict)


def import_chats(
    path: str | Path, *, task: str = "chats", split: str = "train", check: str | None = None,
    gold: str | None = None, each_turn: bool = False, skip: bool = False,
) -> Imported:  # fmt: skip
    """The chats of a JSONL file (`.gz` is unpacked) as trace rows.

    `gold` names the field that holds the reference answer (None: the first of GOLDS that is there
    and is not the reply). With `check` (`math`, `number`, `exact`, `choice`) the final answer of
    each reply is compared with it, and the verdict is kept; without, nobody has judged. With `skip`
    lines that are no chat are left out and told, else they raise BadInput with their line. The
    length of a trace is its `n_tokens` where the line tells it, else its number of words.
    """
    if check is not None:
        check_kind(check)
    place = Path(path)
    mark = blake2b(place.name.encode(), digest_size=4).hexdigest()
    made: list[TraceRow] = []
    skipped: list[tuple[int, str]] = []
    for line, row in lines_of.read(place, EXAMPLE):
        where = f"{place}, line {line}"
        try:
            for at, chat in enumerate(_chats(row, each_turn, where)):
                name = f"{task}/{mark}-{line}" + (f".{at}" if each_turn else "")
                made.append(_row(chat, name, task, split, check, _gold(row, gold, where), where))
        except BadInput as error:
            if not skip:
                raise
            skipped.append((line, str(error)))
    return Imported(tuple(made), tuple(skipped))


def _row(
    chat: _Chat, name: str, task: str, split: str, check: str | None, gold: str | None, where: str
) -> TraceRow:  # fmt: skip
    *before, last = chat.asked
    fields = {"question": last.content}
    if any(turn.role != "system" for turn in before):  # the same words may ask something else
        fields["before"] = digest([vars(turn) for turn in before])
    problem = Problem(name, fields, gold)
    answer, verdict = None, None
    finish = _finish(chat.row, where)
    if check is not None:
        kind = cast(Kind, check)
        answer = given(problem, chat.reply, kind) if finish == "eos" else None
        verdict = _verdict(problem, chat.reply, kind, finish, where)
    return TraceRow(
        id=digest([name, [vars(m) for m in chat.asked], chat.reply]), task=task, split=split,
        seed=0, problem=question(problem), instance=instance_of(task, problem),
        messages=chat.asked, pieces=(Piece(chat.reply),), finish=finish, answer=answer, gold=gold,
        dialect="plain", teacher=_teacher(chat.row), n_tokens=_tokens(chat.row, chat.reply),
        verdict=verdict, created=_text(chat.row.get("created")) or "",
    )  # fmt: skip


def _chats(row: Mapping[str, Any], each_turn: bool, where: str) -> Iterator[_Chat]:
    """What one line holds. Raises BadInput."""
    turns = _turns(row, where)
    replies = [at for at, turn in enumerate(turns) if turn.role == "assistant"]
    replies = [at for at in replies if any(t.role == "user" for t in turns[:at])]
    if not replies:
        raise BadInput(f"{where}: no assistant's turn after a user's; such as {EXAMPLE}")
    if not each_turn and replies[-1] != len(turns) - 1:
        raise BadInput(f"{where}: the last turn is the {turns[-1].role}'s, not the assistant's")
    for at in replies if each_turn else replies[-1:]:
        before = tuple(_without_thinking(turn) for turn in turns[:at])
        yield _Chat(before, turns[at].content, row)


def _turns(row: Mapping[str, Any], where: str) -> list[Message]:
    for name, role, content in (("messages", "role", "content"), ("conversations", "from", "value"),
                                ("conversation", "role", "content")):  # fmt: skip
        if name in row:
            return [_turn(turn, role, content, where) for turn in _listed(row[name], where)]
    asked = next((name for name in QUESTIONS if row.get(name)), None)
    reply = next((name for name in REPLIES if row.get(name)), None)
    if asked is None or reply is None:
        found = ", ".join(map(repr, row)) or "no fields"
        raise BadInput(f"{where}: no chat; it has {found}, and should be such as {EXAMPLE}")
    if isinstance(row[asked], list):  # turns in both, as in views, or a text after turns
        said = row[reply]
        ends = [{"role": "assistant", "content": said}] if isinstance(said, str) else said
        both = [*row[asked], *_listed(ends, where)]
        return [_turn(turn, "role", "content", where) for turn in both]
    texts = [row[asked], row[reply]]
    if not all(isinstance(text, str) for text in texts):
        raise BadInput(f"{where}: {asked!r} and {reply!r} must be texts or lists of turns")
    more = row.get("input")
    if asked == "instruction" and isinstance(more, str) and more.strip():
        texts[0] += "\n\n" + more
    head = row.get("system")
    start = [Message("system", head)] if isinstance(head, str) and head else []
    return [*start, Message("user", texts[0]), Message("assistant", texts[1])]


def _listed(turns: Any, where: str) -> Sequence[Any]:
    if not isinstance(turns, list) or not turns:
        raise BadInput(f"{where}: the turns must be a list of objects, such as {EXAMPLE}")
    return turns


def _turn(turn: Any, role: str, content: str, where: str) -> Message:
    """One turn; reasoning in a field of its own goes before the answer, between tags, and calls of
    tools after it, one JSON object each, between tags of their own."""
    text = _content(turn.get(content)) if isinstance(turn, Mapping) else None
    calls = turn.get("tool_calls") if isinstance(turn, Mapping) else None
    if text is None and not calls:
        raise BadInput(f"{where}: a turn needs {role!r} and {content!r}, a text: {turn!r:.80}")
    who, text = turn.get(role), text or ""
    if who not in ROLES:
        raise BadInput(f"{where}: a turn of {who!r}; known are {', '.join(ROLES)}")
    if calls:
        text += _calls(calls, where)
    thought = turn.get("reasoning_content") or turn.get("reasoning") or turn.get("thinking")
    if isinstance(thought, str) and thought.strip():
        text = f"{THINK}\n{thought.strip()}\n{END_THINK}\n{text}"
    return Message(ROLES[who], text)


def _content(value: Any) -> str | None:
    """The text of a turn: a string, or parts that are all text; None for anything else."""
    if not isinstance(value, list) or not value:
        return value if isinstance(value, str) else None
    if not all(isinstance(p, Mapping) and isinstance(p.get("text"), str) for p in value):
        return None
    return "".join(part["text"] for part in value)


def _calls(calls: Any, where: str) -> str:
    """Calls of tools as text. Raises BadInput."""
    made = []
    for call in calls if isinstance(calls, list) else [calls]:
        asked = call.get("function", call) if isinstance(call, Mapping) else None
        if not isinstance(asked, Mapping) or not isinstance(asked.get("name"), str):
            raise BadInput(f"{where}: a tool call needs the function's name: {call!r:.80}")
        given = asked.get("arguments", {})
        if isinstance(given, str):
            with suppress(ValueError):  # no JSON is kept as the text that the model wrote
                given = json.loads(given)
        told = json.dumps({"name": asked["name"], "arguments": given}, ensure_ascii=False)
        made.append(f"{CALL}\n{told}\n{END_CALL}")
    return "\n".join(made)


def _without_thinking(turn: Message) -> Message:
    """An earlier assistant's turn without its reasoning, which chat templates drop as well."""
    if turn.role != "assistant" or END_THINK not in turn.content:
        return turn
    return Message(turn.role, turn.content.rpartition(END_THINK)[2].lstrip())


def _gold(row: Mapping[str, Any], name: str | None, where: str) -> str | None:
    if name is not None:
        found = _text(row.get(name))
        if found is None:
            raise BadInput(f"{where}: no reference answer in the field {name!r}")
        return found
    reply = next((field for field in REPLIES if row.get(field)), None)
    names = (n for n in GOLDS if n != reply or "messages" in row or "conversations" in row)
    return next((text for n in names if (text := _text(row.get(n))) is not None), None)


def _verdict(
    problem: Problem, reply: str, kind: Kind, finish: Finish, where: str
) -> dict[str, Any] | None:
    """The verdict of a row; None where there is no reference, or where it cannot be compared."""
    if problem.answer is None:
        return None
    judge = AnswerVerifier(kind)
    told = {"checker": type(judge).__name__, "version": kind, "knows": judge.knows}
    if finish != "eos":
        return {**told, "score": 0.0, "passed": False, "reason": f"cut by {finish}"}
    try:
        found = judge.check(problem, reply)
    except CannotJudge as error:
        raise BadInput(f"{where}: {error}") from error
    return {**told, "score": found.score, "passed": found.passed, "reason": found.reason}


def _finish(row: Mapping[str, Any], where: str) -> Finish:
    told = row.get("finish_reason")
    if told is None:
        return "eos"
    if told not in ENDS:
        raise BadInput(f"{where}: finish_reason {told!r}; known are {', '.join(ENDS)}")
    return ENDS[told]


def _teacher(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": row["model"]} if isinstance(row.get("model"), str) else {}


def _tokens(row: Mapping[str, Any], reply: str) -> int:
    """The reply's tokens where the line tells them, else its words."""
    told = row.get("n_tokens")
    if isinstance(told, int) and not isinstance(told, bool) and told >= 0:
        return told
    return len(reply.split())


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int | float) and str(value).strip() else None
