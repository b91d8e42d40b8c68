"""Views: the columns of each against values by hand; in every one only the model's text is learned;
what is written is read again."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from architectures import byte_tokenizer

from evaluators import load_task
from evaluators.errors import BadInput, UnknownName
from reasoning.core import Message
from reasoning.data import columns
from reasoning.data.pairs import pair
from reasoning.data.rows import Piece, TraceRow
from reasoning.data.tokens import UNLEARNED, tokenised
from reasoning.data.views import VIEWS, as_tokens, labelled, masked, view
from reasoning.models.encode import Encoder
from reasoning.models.tiny.tokenizer import build
from reasoning.train.labels import Labelled
from tests.reasoning.trace_rows import TASK, row

RIGHT = row(1, "1+6\n7\n</think>7")
WRONG = row(2, "3*3\n9\n</think>9", False)
TOOL = replace(RIGHT, id="tool", pieces=(Piece("1+2*3 "), Piece("=7", "tool"), Piece("\n</think>"),
                                         Piece("7", "forced")))  # fmt: skip
PLAIN = replace(
    RIGHT, id="plain", dialect="plain", messages=(Message("user", "Evaluate 1+2*3."),),
    pieces=(Piece("2*3 is 6\n1+6 is 7\nAnswer: 7"),),
)  # fmt: skip


def learned(text: str, spans: list[list[int]]) -> list[str]:
    return [text[low:high] for low, high in spans]


def test_messages_hold_the_reasoning_between_tags():
    (one,) = view("messages", [RIGHT])
    assert one["messages"] == [
        {"role": "user", "content": "1+2*3"},
        {"role": "assistant", "content": "<think>1+6\n7\n</think>7"},
    ]
    assert learned(one["messages"][-1]["content"], one["learn"]) == ["1+6\n7\n</think>7"]
    assert (one["id"], one["task"], one["correct"], one["ended"]) == (
        "r1", "expressions", True, True)  # fmt: skip


def test_a_plain_trace_gets_tags_and_its_closing_tag_is_learned():
    (one,) = view("messages", [PLAIN])
    content = one["messages"][-1]["content"]
    assert content == "<think>\n2*3 is 6\n1+6 is 7\n</think>\nAnswer: 7"
    assert learned(content, one["learn"]) == [content.removeprefix("<think>\n")]


def test_tags_are_not_put_around_what_has_none_to_part():
    short = replace(PLAIN, pieces=(Piece("Answer: 7"),))
    cut = replace(PLAIN, pieces=(Piece("2*3 is 6\n1+6"),), finish="length")
    tagged = replace(PLAIN, pieces=(Piece("<think>2*3 is 6</think>Answer: 7"),))
    found = view("messages", [short, cut, tagged])
    assert [one["messages"][-1]["content"] for one in found] == [
        "Answer: 7", "2*3 is 6\n1+6", "<think>2*3 is 6</think>Answer: 7"]  # fmt: skip
    assert [one["ended"] for one in found] == [True, False, True]


def test_an_answer_that_was_forced_is_not_learned_when_tags_come_in():
    forced = replace(PLAIN, pieces=(Piece("2*3 is 6\n"), Piece("Answer: 7", "forced")))
    (one,) = view("messages", [forced])
    content = one["messages"][-1]["content"]
    assert content == "<think>\n2*3 is 6\n</think>\nAnswer: 7"
    assert learned(content, one["learn"]) == ["2*3 is 6\n</think>\n"]


def test_prompt_and_completion_are_text_where_the_model_reads_text():
    text, chat = view("prompt-completion", [RIGHT, PLAIN])
    assert (text["prompt"], text["completion"]) == ("1+2*3<think>", "1+6\n7\n</think>7")
    assert chat["prompt"] == [{"role": "user", "content": "Evaluate 1+2*3."}]
    assert chat["completion"][0]["content"].startswith("<think>\n2*3")
    (again,) = view("prompt-completion", [RIGHT], form="chat")
    assert again["prompt"] == [{"role": "user", "content": "1+2*3"}]
    (flat,) = view("prompt-completion", [PLAIN], form="text")
    assert flat["prompt"] == "Evaluate 1+2*3.\n"


def test_what_the_assistants_turn_began_with_is_shown_and_not_learned():
    begun = replace(RIGHT, prefix="1+6\n", pieces=(Piece("7\n</think>7"),))
    (one,) = view("prompt-completion", [begun])
    assert one["completion"] == "1+6\n7\n</think>7"
    assert learned(one["completion"], one["learn"]) == ["7\n</think>7"]


def test_preferences_show_both_sides_after_one_prompt():
    (one,) = view("preferences", [pair(RIGHT, WRONG)])
    assert (one["prompt"], one["chosen"], one["rejected"], one["origin"]) == (
        "1+2*3<think>", "1+6\n7\n</think>7", "3*3\n9\n</think>9", "verdict")  # fmt: skip
    (chat,) = view("preferences", [pair(RIGHT, WRONG)], form="chat")
    assert chat["prompt"] == [{"role": "user", "content": "1+2*3"}]
    assert chat["rejected"][0]["content"] == "<think>3*3\n9\n</think>9"


def test_steps_are_labelled_exactly_by_the_task():
    good, bad = view("steps", [RIGHT, WRONG], task=TASK)
    assert good["completions"] == ["1+6\n", "7\n", "</think>7"] and good["labels"] == [1, 1, 1]
    assert bad["labels"] == [0, 0, 0] and bad["prompt"] == "1+2*3<think>"
    assert labelled([WRONG], TASK) == [
        Labelled("expressions", "expressions/1+2*3",
                 ("1+2*3<think>", "3*3\n", "9\n", "</think>9"), (None, 0, 0, 0), False)
    ]  # fmt: skip


def test_steps_are_judged_after_what_stood_before_them():
    begun = replace(RIGHT, prefix="1+6\n", pieces=(Piece("7\n</think>7"),))
    lost = replace(WRONG, prefix="3*3\n", pieces=(Piece("9\n</think>9"),))
    assert [one["labels"] for one in view("steps", [begun, lost], task=TASK)] == [[1, 1], [0, 0]]
    with pytest.raises(BadInput, match="cannot tell"):
        view("steps", [RIGHT], task=load_task("jsonl", n=0))


def test_a_rows_own_labels_are_kept():
    (one,) = view("steps", [replace(RIGHT, labels=(0.25, None, 1.0))])
    assert one["labels"] == [0.25, None, 1.0]
    with pytest.raises(BadInput, match="2 labels for 3 steps"):
        view("steps", [replace(RIGHT, labels=(0.25, 1.0))])
    with pytest.raises(BadInput, match="name the task"):
        view("steps", [RIGHT])


def test_only_the_models_text_is_learned_in_every_view_of_a_trace_with_a_tool():
    encoder = Encoder(build(), "compact", "tiny")
    (one,) = view("prompt-completion", [TOOL])
    assert learned(one["completion"], one["learn"]) == ["1+2*3 ", "\n</think>"]
    (chat,) = view("messages", [TOOL])
    assert learned(chat["messages"][-1]["content"], chat["learn"]) == ["1+2*3 ", "\n</think>"]
    (ids,) = view("tokens", [TOOL], encoder=encoder)
    kept = [i for i in ids["labels"] if i != UNLEARNED]
    assert encoder.tokenizer.decode(kept) == "1+2*3 \n</think>"
    (both,) = view("preferences", [pair(TOOL, WRONG)])
    assert learned(both["chosen"], both["chosen_learn"]) == ["1+2*3 ", "\n</think>"]
    (values,) = view("steps", [TOOL], task=TASK)
    assert values["completions"] == ["1+2*3 =7\n", "</think>7"] and values["labels"] == [None, None]


def test_text_and_spans_become_the_ids_that_training_reads():
    tokenizer = build()
    encoder = Encoder(tokenizer, "compact", "tiny")
    for each in (RIGHT, WRONG, TOOL):
        (one,) = view("prompt-completion", [each])
        found = masked(one["prompt"], one["completion"], one["learn"], tokenizer)
        want = tokenised(each, encoder)
        ended = [tokenizer.eos_token_id]
        assert found.ids + ended == list(want.ids)
        assert found.labels == want.labels[:-1]


def test_a_token_that_is_only_partly_the_models_is_not_learned():
    tokenizer = build()
    found = masked("", "a12b", [[0, 2], [3, 4]], tokenizer)  # 12 is one token
    assert tokenizer.decode([i for i in found.labels if i != UNLEARNED]) == "ab"
    assert masked("a", "1", [[0, 1]], byte_tokenizer()).labels[0] == UNLEARNED


def test_the_token_view_is_what_a_teacher_is_asked_about():
    encoder = Encoder(build(), "compact", "tiny")
    made = view("tokens", [RIGHT, TOOL], encoder=encoder)
    assert as_tokens(made) == [tokenised(RIGHT, encoder), tokenised(TOOL, encoder)]
    assert all(len(m["input_ids"]) == len(m["labels"]) == len(m["completion_mask"]) for m in made)


@pytest.mark.parametrize("name", ["v.jsonl", "v.parquet", "folder"])
@pytest.mark.parametrize("kind", ["messages", "prompt-completion", "steps", "tokens"])
def test_a_view_is_read_as_it_was_written(tmp_path, name, kind):
    options = {"tokens": {"encoder": Encoder(build(), "compact", "tiny")}, "steps": {"task": TASK}}
    made = view(kind, [RIGHT, TOOL], **options.get(kind, {}))
    place = columns.write(made, tmp_path / "deep" / name)
    assert columns.read(place) == made
    columns.write(made[:1], place)  # a second time, over the first
    assert columns.read(place) == made[:1]


def test_whole_rows_of_different_tasks_go_through_parquet(tmp_path):
    asked = {"id": "c", "fields": {"question": "?"}}
    other = replace(RIGHT, id="other", task="chat", problem=asked, teacher={"model": "m"},
                    labels=(1.0, None, 0.5))  # fmt: skip
    place = columns.write(columns.flat([RIGHT, other, TOOL]), tmp_path / "rows.parquet")
    again = columns.unflat(columns.read(place))
    assert [a.to_json() for a in again] == [r.to_json() for r in (RIGHT, other, TOOL)]
    assert all(isinstance(a, TraceRow) for a in again)


def test_a_folder_of_something_else_is_not_overwritten(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(BadInput, match="holds no data set"):
        columns.write(view("messages", [RIGHT]), tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
    with pytest.raises(BadInput, match="no rows"):
        columns.write([], tmp_path / "x.jsonl")
    with pytest.raises(BadInput, match="does not exist"):
        columns.read(tmp_path / "none")


def test_views_have_names():
    with pytest.raises(UnknownName, match="messages"):
        view("message", [RIGHT])
    with pytest.raises(UnknownName):
        view("prompt-completion", [RIGHT], form="word")
    assert set(VIEWS) == {"messages", "prompt-completion", "preferences", "steps", "tokens"}


def test_trl_learns_from_the_token_view_what_the_mask_says():
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    made = view("tokens", [RIGHT, TOOL], encoder=Encoder(build(), "compact", "tiny"))
    batch = DataCollatorForLanguageModeling(pad_token_id=0)(made)
    for labels, one in zip(batch["labels"].tolist(), made, strict=True):
        assert labels == one["labels"] + [UNLEARNED] * (len(labels) - len(one["labels"]))
