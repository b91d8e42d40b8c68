"""The figures of a set of traces, and the card that is written from them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluators.errors import BadInput
from reasoning.data.card import card, write_card
from reasoning.data.decontaminate import decontaminate
from reasoning.data.rows import Piece, fingerprint
from reasoning.data.select import select
from reasoning.data.summary import summaries, summary, teachers
from tests.reasoning.trace_rows import row

TEACHER = {"model": "tiny", "strategy": "samples"}
ROWS = [
    row(1, "1+6\n7\n</think>7", teacher={**TEACHER, "seed": "0/1", "chosen": True}),
    row(2, "3*3\n9\n</think>9", False, teacher={**TEACHER, "seed": "0/2"}),
    row(3, "9-6\n3\n</think>3", True, "9-2*3", teacher=TEACHER),
    row(4, "9-6\n3\n</think>3", True, "9-2*3", hint_used=True),
    row(5, "8\n", False, "2*2*2", finish="length"),
    row(6, "8\n</think>8", None, "2*2*2"),
]


def test_figures_are_those_of_the_rows():
    (found,) = summaries(ROWS)
    assert (found.name, found.traces, found.problems, found.judged) == ("expressions", 6, 3, 5)
    assert found.accuracy is not None and found.accuracy.value == 3 / 5
    assert found.bands == {"never": 1, "to 25%": 0, "to 50%": 1, "to 75%": 0, "below 100%": 0,
                           "always": 1}  # fmt: skip
    assert found.finishes == {"eos": 5, "length": 1} and found.splits == {"train": 6}
    assert (found.different, found.hinted, found.labelled, found.masked) == (5, 1, 0, 0)
    assert found.tokens == (2, 12, 15, 15, 15)


def test_several_tasks_are_told_apart_and_together():
    found = summaries([*ROWS, replace(ROWS[0], task="other")])
    assert [(s.name, s.traces) for s in found] == [("expressions", 6), ("other", 1), ("all", 7)]


def test_what_no_model_wrote_is_counted():
    half = row(1, "", pieces=(Piece("12"), Piece("34", "tool"), Piece("5678", "forced")))
    assert summary([half]).masked == 6 / 8


def test_teachers_are_counted_whatever_their_seeds():
    found = teachers(ROWS)
    assert [n for _, n in found] == [3, 3] and TEACHER in [known for known, _ in found]


def test_the_card_says_what_was_selected_and_held_against():
    chosen = select(ROWS, each=1)
    clean = decontaminate(chosen)
    text = card(list(clean.rows), "My traces", selection=chosen.told(), held_against=clean.told(),
                files=["traces.jsonl"], license="apache-2.0")  # fmt: skip
    head = text.split("---")[1]
    assert 'pretty_name: "My traces"' in head and "license: apache-2.0" in head
    assert "n<1K" in head and "- synthetic" in head
    for said in ("| right | 3 | 2 |", "at most 1 a problem", fingerprint(clean.rows),
                 '"strategy": "samples"', "Held against test instances",
                 'rows.read(Path("traces.jsonl"))', "2*3<think>1+6"):  # fmt: skip
        assert said in text, said


def test_the_card_says_what_is_not_known():
    text = card([replace(r, teacher={}) for r in ROWS], "Found traces")
    assert "Nothing is known of a selection" in text and "not held against" in text
    assert "6 traces: not told" in text and "1 traces were written with a hint" in text
    assert "license" not in text.split("---")[1] and "synthetic" not in text.split("---")[1]


def test_an_example_cannot_break_out_of_its_block():
    text = card([row(1, "```\n# not a heading\n````\n</think>7")], "x")
    assert "`````text" in text


def test_a_card_is_a_file(tmp_path):
    place = write_card(ROWS, tmp_path / "set", "Mine")
    assert place.name == "README.md" and place.read_text().startswith("---\npretty_name")
    with pytest.raises(BadInput):
        write_card([], tmp_path, "Nothing")
