"""The disagreement map: its numbers are the models' own, its words are escaped."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
import torch

from evaluators import load_task
from evaluators.errors import BadInput
from labs.disagreement import BINS, Disagreement, Place, disagreement, disagreements, shade
from reasoning import load_model
from reasoning.data.rows import Piece, TraceRow
from reasoning.data.solver import solver_traces


@pytest.fixture(scope="module")
def row() -> TraceRow:
    return solver_traces(load_task("expressions", "train", 3, ops=2))[1]


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    torch.set_num_threads(1)
    return {name: load_model(name) for name in ("tiny", "tiny-student")}


def test_a_model_does_not_disagree_with_itself(models, row):
    told = disagreement(models["tiny"], models["tiny"], row)
    assert told.mean == pytest.approx(0.0, abs=1e-9)
    assert all(place.teacher == place.student for place in told.places)
    assert "".join(place.text for place in told.places).startswith(row.text)
    assert told.before == row.messages[0].content


@pytest.mark.parametrize("kind", ["forward", "reverse", "jsd"])
def test_every_number_is_that_of_the_two_distributions(kind, models, row):
    told = disagreement(models["tiny-student"], models["tiny"], row, kind, k=386)
    encode = models["tiny"].tokenizer.encode
    ids = encode(row.messages[0].content) + encode(row.text) + [1]
    with torch.no_grad():
        q, p = (models[n].torch_model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
                for n in ("tiny-student", "tiny"))  # fmt: skip
    first = len(ids) - len(told.places)
    for at, place in enumerate(told.places):
        one, other = p[first + at - 1].exp(), q[first + at - 1].exp()
        assert place.teacher == pytest.approx(float(one[ids[first + at]]), abs=1e-5)
        assert place.student == pytest.approx(float(other[ids[first + at]]), abs=1e-5)
        middle = (one + other) / 2
        ours = {
            "forward": (one * (one / other).log()).sum(),
            "reverse": (other * (other / one).log()).sum(),
            "jsd": ((one * (one / middle).log()).sum() + (other * (other / middle).log()).sum())
            / 2,
        }[kind]
        assert place.nats == pytest.approx(float(ours), rel=1e-3, abs=1e-4)
        assert sum(x for _, x in place.teachers) == pytest.approx(1.0, abs=1e-4)
        assert place.teachers[0][1] == pytest.approx(float(one.max()), abs=1e-5)
    assert told.worst(2)[0][1].nats == max(place.nats for place in told.places)
    assert told.mean > 0.1


def test_forced_text_is_shown_without_a_colour_and_counts_nothing(models, row):
    mixed = replace(row, pieces=(Piece("12+"), Piece("1\n<b>", "forced"), Piece("13\n")))
    told = disagreement(models["tiny-student"], models["tiny"], mixed)
    forced = [place for place in told.places if not place.learned]
    assert forced and told.mean == pytest.approx(
        sum(p.nats for p in told.places if p.learned) / (len(told.places) - len(forced))
    )
    html = told._repr_html_()
    assert html.count('tabindex="0"') == len(told.places) - len(forced)


def test_several_students_stand_under_one_legend_and_everything_is_escaped(models, row):
    maps = disagreements({"a <b>": models["tiny-student"], "itself": models["tiny"]},
                         models["tiny"], row)  # fmt: skip
    html = maps._repr_html_()
    assert html.count("in nats:") == 1 and "a <b>" not in html and "a &lt;b&gt;" in html
    seen = unescape(re.sub(r"<[^>]*>", "", re.sub(r"<style>.*?</style>", "", html, flags=re.S)))
    assert "itself · 0.000 nats a token" in seen
    wild = Place("<i>\n", 3.0, 0.5, 0.1, (("<i>", 0.5),), (("&", 0.9),))
    assert "<i>" not in Disagreement("x", "jsd", "<script>", (wild,))._repr_html_()


def test_more_disagreement_is_more_colour():
    strength = [float(shade(nats).split(", ")[-1][:-1]) for nats in (0.0, 0.1, 0.3, 1.0, 5.0)]
    assert strength == sorted(opacity for _, opacity in BINS)


def test_models_that_cannot_be_compared_are_refused(models, row):
    class Far:
        name = "far"

    with pytest.raises(BadInput, match="two local models"):
        disagreement(models["tiny"], Far(), row)  # type: ignore[arg-type]
