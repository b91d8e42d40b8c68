"""Preference pairs: who is paired with whom, and how pairs are kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from evaluators.errors import BadInput, UnknownName
from reasoning.data import pairs as kept
from reasoning.data.pairs import PreferencePair, pair, pairs_from
from reasoning.data.rows import Piece
from tests.reasoning.trace_rows import row


def named(pairs: list[PreferencePair]):
    return {(p.chosen.id, p.rejected.id) for p in pairs}


def test_a_passed_trace_is_preferred_to_a_failed_one_of_the_same_prompt():
    rows = [row(1, "7"), row(2, "9", False), row(3, "5", True, "2+3"), row(4, "x", None)]
    (only,) = pairs_from(rows)
    assert (only.chosen.id, only.rejected.id, only.origin) == ("r1", "r2", "verdict")
    assert only.chosen.text == "7" and only.messages == rows[0].messages


def test_every_couple_is_made_once_when_asked_for_enough():
    rows = [row(i, f"good {i}") for i in range(3)]
    rows += [row(i, f"bad {i}", False) for i in range(10, 14)]
    found = pairs_from(rows, each=99)
    assert len(found) == 12 == len(named(found))


def test_few_pairs_use_every_row_before_any_again():
    rows = [row(i, f"good {i}") for i in range(2)]
    rows += [row(i, f"bad {i}", False) for i in range(10, 14)]
    found = pairs_from(rows, each=4)
    assert Counter(p.rejected.id for p in found) == {f"r{i}": 1 for i in range(10, 14)}
    assert Counter(p.chosen.id for p in found) == {"r0": 2, "r1": 2}


def test_equal_texts_make_one_side():
    rows = [row(1, "7"), row(2, "7"), row(3, "9", False), row(4, "9", False)]
    assert len(pairs_from(rows, each=9)) == 1


def test_pairs_are_the_same_for_a_seed():
    rows = [row(i, f"good {i}") for i in range(9)] + [row(i, f"bad {i}", False) for i in range(9)]
    rows = [replace(r, id=r.text) for r in rows]
    assert pairs_from(rows, each=2, seed=3) == pairs_from(rows, each=2, seed=3)
    draws = {frozenset(named(pairs_from(rows, each=2, seed=s))) for s in range(8)}
    assert len(draws) > 1


def test_by_length_the_shortest_right_trace_is_preferred_to_the_longest():
    rows = [row(i, "7" * i) for i in (4, 2, 9)] + [row(10, "9", False)]
    (only,) = pairs_from(rows, by="length")
    assert (only.chosen.id, only.rejected.id, only.origin) == ("r2", "r9", "length")
    assert pairs_from([row(1, "ab"), row(2, "cd")], by="length") == []


def test_rows_of_different_prompts_are_refused_as_a_pair():
    with pytest.raises(BadInput, match="different prompts"):
        pair(row(1, "7"), row(2, "5", True, "2+3"))
    with pytest.raises(BadInput, match="each"):
        pairs_from([], each=0)


def test_pairs_are_read_as_they_were_saved(tmp_path):
    rows = [row(1, "7 \u2028é"), row(2, "9", False, prefix="")]
    made = pairs_from(rows)
    kept.save(made, tmp_path / "deep" / "pairs.jsonl")
    again = kept.read(tmp_path / "deep" / "pairs.jsonl")
    assert again == made and kept.fingerprint(again) == kept.fingerprint(made)
    swapped = [replace(p, chosen=p.rejected, rejected=p.chosen) for p in made]
    assert kept.fingerprint(swapped) != kept.fingerprint(made)


def test_a_file_of_something_else_is_refused_with_its_line(tmp_path):
    file = tmp_path / "x.jsonl"
    file.write_text('\n{"prompt": "a"}\n')
    with pytest.raises(BadInput, match="line 2"):
        kept.read(file)


def test_only_the_models_words_are_learned_on_both_sides():
    from reasoning.models.encode import Encoder
    from reasoning.models.tiny.tokenizer import build

    forced = (Piece("1+6\n"), Piece("7", "tool"))
    made = pair(replace(row(1, ""), pieces=forced), row(2, "9", False))
    good, bad = made.tokens(Encoder(build(), "compact", "tiny"))
    assert good.ids[: good.prompt] == bad.ids[: bad.prompt]
    assert [i for i, on in zip(good.ids, good.learn, strict=True) if on] == list(
        good.ids[good.prompt : -2]
    )
    assert sum(bad.learn) == len(bad.ids) - bad.prompt


def test_another_way_to_pair_is_refused_by_name():
    with pytest.raises(UnknownName, match="way to pair"):
        pairs_from([row(1, "7")], by="verdicts")  # type: ignore[arg-type]
