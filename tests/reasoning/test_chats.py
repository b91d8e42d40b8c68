"""Import of chats: every form that is read, what is judged, and what is refused with its line."""

from __future__ import annotations

import json

import pytest

from evaluators.errors import BadInput
from reasoning.core import Message
from reasoning.data.chats import import_chats
from reasoning.data.rows import read, save
from reasoning.data.views import view

USER, REPLY = {"role": "user", "content": "6*7?"}, {"role": "assistant", "content": "It is 42."}
FORMS = {
    "messages": {"messages": [USER, REPLY]},
    "conversations": {"conversations": [{"from": "human", "value": "6*7?"},
                                        {"from": "gpt", "value": "It is 42."}]},
    "prompt and completion": {"prompt": "6*7?", "completion": "It is 42."},
    "prompt and completion as turns": {"prompt": [USER], "completion": [REPLY]},
    "question and answer": {"question": "6*7?", "answer": "It is 42."},
    "instruction": {"instruction": "6*7?", "input": "", "output": "It is 42."},
    "content in parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "6*"},
                                                                   {"type": "text", "text": "7?"}]},
                                      {**REPLY, "tool_calls": None}], "finish_reason": None},
    "turns and a text": {"prompt": [USER], "completion": "It is 42."},
    "other names of roles": {"conversations": [{"from": "user", "value": "6*7?"},
                                               {"from": "chatgpt", "value": "It is 42."}]},
}  # fmt: skip


def file(tmp_path, *rows):
    place = tmp_path / "chats.jsonl"
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_one_trace_of_one_question(tmp_path, name):
    (row,) = import_chats(file(tmp_path, FORMS[name])).rows
    assert row.messages == (Message("user", "6*7?"),)
    assert (row.text, row.finish, row.verdict, row.dialect) == ("It is 42.", "eos", None, "plain")
    assert row.problem["fields"] == {"question": "6*7?"} and row.problem["answer"] is None


def test_an_instruction_with_input_is_one_question(tmp_path):
    row = {"system": "Be brief.", "instruction": "Add.", "input": "1 2", "output": "3"}
    (made,) = import_chats(file(tmp_path, row)).rows
    assert made.messages == (Message("system", "Be brief."), Message("user", "Add.\n\n1 2"))


def test_replies_are_judged_against_the_reference_answer(tmp_path):
    lines = [{**FORMS["messages"], "answer": gold} for gold in ("42", "41")]
    lines.append({**FORMS["messages"], "answer": 42, "finish_reason": "length"})
    lines.append(FORMS["messages"])
    found = import_chats(file(tmp_path, *lines), check="number")
    right, wrong, cut, unknown = found.rows
    assert right.correct and right.answer == "42" and right.gold == "42"
    assert wrong.verdict is not None and not wrong.correct
    assert cut.finish == "length" and cut.verdict["reason"] == "cut by length"
    assert unknown.verdict is None
    assert str(found) == "4 traces, 3 judged, 1 right"


def test_the_field_of_the_reference_can_be_named(tmp_path):
    place = file(tmp_path, {**FORMS["messages"], "solution": "42"})
    assert import_chats(place, gold="solution").rows[0].gold == "42"
    with pytest.raises(BadInput, match=r"line 1.*'target'"):
        import_chats(place, gold="target")


def test_reasoning_in_a_field_of_its_own_stands_between_tags(tmp_path):
    reply = {**REPLY, "reasoning_content": "6*7 is 42\n"}
    (row,) = import_chats(file(tmp_path, {"messages": [USER, reply]})).rows
    assert row.text == "<think>\n6*7 is 42\n</think>\nIt is 42." and row.thinking == "\n6*7 is 42\n"
    (seen,) = view("messages", [row])
    assert seen["messages"][-1]["content"] == row.text


def test_every_turn_can_be_a_trace_and_earlier_reasoning_is_dropped(tmp_path):
    first = {"role": "assistant", "content": "<think>hm</think>\n42"}
    turns = [{"role": "system", "content": "Be brief."}, USER, first, {**USER, "content": "And 8?"},
             {"role": "assistant", "content": "48"}]  # fmt: skip
    place = file(tmp_path, {"messages": turns})
    (last,) = import_chats(place).rows
    assert [m.content for m in last.messages] == ["Be brief.", "6*7?", "42", "And 8?"]
    one, two = import_chats(place, each_turn=True).rows
    assert (one.text, two.text) == ("<think>hm</think>\n42", "48")
    assert one.problem["fields"] != two.problem["fields"] and one.id != two.id
    assert "before" not in one.problem["fields"] and "before" in two.problem["fields"]


def test_calls_of_tools_are_turns_and_what_tools_say_is_never_the_trace(tmp_path):
    call = {"id": "a", "type": "function",
            "function": {"name": "calc", "arguments": '{"what": "6*7"}'}}  # fmt: skip
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    told = {"role": "tool", "tool_call_id": "a", "content": "42"}
    place = file(
        tmp_path, {"messages": [USER, asked, told, REPLY]},
        {"conversations": [{"from": "human", "value": "6*7?"},
                           {"from": "function_call", "value": "calc(6*7)"},
                           {"from": "observation", "value": "42"},
                           {"from": "gpt", "value": "It is 42."}]},
    )  # fmt: skip
    first, second = import_chats(place).rows
    written = '<tool_call>\n{"name": "calc", "arguments": {"what": "6*7"}}\n</tool_call>'
    assert [(m.role, m.content) for m in first.messages] == [
        ("user", "6*7?"), ("assistant", written), ("tool", "42")]  # fmt: skip
    assert [m.role for m in second.messages] == ["user", "assistant", "tool"]
    assert first.text == second.text == "It is 42."
    every = import_chats(place, each_turn=True).rows
    assert [row.text for row in every] == [written, "It is 42.", "calc(6*7)", "It is 42."]
    assert all(row.pieces[0].source == "model" for row in every)


def test_a_length_that_cannot_be_is_not_taken_over(tmp_path):
    rows = [{**FORMS["messages"], "n_tokens": told} for told in (7, -5, True)]
    assert [r.n_tokens for r in import_chats(file(tmp_path, *rows)).rows] == [7, 3, 3]


BAD = {
    "no chat": ({"text": "hello"}, "'text'"),
    "no reply": ({"messages": [USER]}, "no assistant's turn"),
    "a question last": ({"messages": [USER, REPLY, USER]}, "the last turn is the user's"),
    "an odd role": ({"messages": [{"role": "oracle", "content": "x"}, REPLY]}, "'oracle'"),
    "no text": ({"messages": [USER, {"role": "assistant", "content": None}]}, "'content'"),
    "an image": (
        {"messages": [{"role": "user", "content": [{"type": "image"}]}, REPLY]},
        "'content'",
    ),
    "a nameless call": ({"messages": [USER, {**REPLY, "tool_calls": [{}]}]}, "function's name"),
    "no list": ({"messages": "hello"}, "list of objects"),
    "an odd end": ({**FORMS["messages"], "finish_reason": "error"}, "finish_reason"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_chat_is_refused_with_its_line_or_left_out(tmp_path, name):
    row, said = BAD[name]
    place = file(tmp_path, FORMS["messages"], row)
    with pytest.raises(BadInput, match="line 2") as error:
        import_chats(place)
    assert said in str(error.value)
    found = import_chats(place, skip=True)
    assert len(found.rows) == 1 and [line for line, _ in found.skipped] == [2]


def test_imported_rows_are_saved_and_read(tmp_path):
    rows = import_chats(file(tmp_path, *FORMS.values())).rows
    save(rows, tmp_path / "rows.jsonl")
    assert tuple(read(tmp_path / "rows.jsonl")) == rows
    assert len({row.id for row in rows}) == len(rows)
