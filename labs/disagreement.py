"""Where a student's next-token distribution differs from its teacher's, token by token, as a heat
map of a trace: plain HTML that works offline and in both themes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from evaluators.errors import BadInput
from labs.tokens import Token
from labs.widgets.heat import percent, written
from labs.widgets.style import HEAT, UNLIKELY
from reasoning.core import LanguageModel
from reasoning.data.rows import TraceRow
from reasoning.data.tokens import tokenised
from reasoning.models.encode import Encoder
from reasoning.train.divergence import Divergence, divergence, softened

BINS = ((2.0, 0.85), (0.7, 0.6), (0.2, 0.36), (0.05, 0.16), (0.0, 0.0))
"""From this divergence on (nats) -> opacity of the colour behind the token."""

NAMES = {"forward": "KL(teacher‖student)", "reverse": "KL(student‖teacher)", "jsd": "JSD"}


@dataclass(frozen=True)
class Place:
    """One token of a trace: its text, the divergence of the two distributions it was drawn from
    (nats), what each gave it, and the likeliest tokens of each with their probabilities. A token
    that no model wrote is not `learned`."""

    text: str
    nats: float
    teacher: float
    student: float
    teachers: tuple[tuple[str, float], ...]
    students: tuple[tuple[str, float], ...]
    learned: bool = True


@dataclass(frozen=True, repr=False)
class Disagreement:
    """A trace after its prompt `before`, token by token. `name` says whose distributions, `kind`
    which divergence. A cell displays it."""

    name: str
    kind: Divergence
    before: str
    places: tuple[Place, ...]

    @property
    def mean(self) -> float:
        """Nats a learned token."""
        told = [place.nats for place in self.places if place.learned]
        return sum(told) / max(1, len(told))

    def worst(self, k: int = 5) -> list[tuple[int, Place]]:
        """The k places of greatest divergence with their numbers, greatest first."""
        told = [(i, place) for i, place in enumerate(self.places) if place.learned]
        return sorted(told, key=lambda pair: (-pair[1].nats, pair[0]))[:k]

    def _repr_html_(self) -> str:
        return disagreement_html([self])

    def __repr__(self) -> str:
        return f"Disagreement({self.name!r}, {self.mean:.3f} nats a token)"


@dataclass(frozen=True, repr=False)
class Disagreements:
    """Several maps below each other under one legend. A cell displays them."""

    maps: tuple[Disagreement, ...]

    def _repr_html_(self) -> str:
        return disagreement_html(self.maps)

    def __repr__(self) -> str:
        return f"Disagreements({', '.join(map(repr, self.maps))})"


def disagreement(
    student: LanguageModel, teacher: LanguageModel, row: TraceRow, kind: Divergence = "forward",
    *, name: str = "", k: int = 3,
) -> Disagreement:  # fmt: skip
    """The map of one trace for two local models of one vocabulary; `k` likeliest tokens of each are
    told. `name` is shown (by default the student's). Raises BadInput."""
    models: list[Any] = [student, teacher]
    for model in models:
        if getattr(model, "torch_model", None) is None:
            raise BadInput(
                f"{model.name} tells no whole distributions: the map needs two local models"
            )
    if models[0].tokenizer.get_vocab() != models[1].tokenizer.get_vocab():
        raise BadInput(
            f"{student.name} and {teacher.name} have different tokens: the map needs one vocabulary"
        )
    tokens = tokenised(row, Encoder(models[0].tokenizer, student.dialect, student.name))
    from reasoning.models.introspect import vocabulary
    from reasoning.train.teacher_cache import read_logits

    after, learn = tokens.ids[tokens.prompt :], tokens.learn[tokens.prompt :]
    asked = replace(tokens, learn=(False,) * tokens.prompt + (True,) * len(after))
    own, told = (softened(read_logits(m.torch_model, [asked]).cpu(), 1.0).double() for m in models)
    nats = divergence(kind, told, own).tolist()
    names = vocabulary(models[0])

    def best(logprobs: Any) -> tuple[tuple[str, float], ...]:
        found = logprobs.exp().topk(k)
        return tuple(
            (names[i], p)
            for i, p in zip(found.indices.tolist(), found.values.tolist(), strict=True)
        )

    places = tuple(
        Place(
            names[token], max(0.0, nats[at]), float(told[at, token].exp()),
            float(own[at, token].exp()), best(told[at]), best(own[at]), learn[at],
        )
        for at, token in enumerate(after)
    )  # fmt: skip
    prompt = models[0].tokenizer.decode(tokens.ids[: tokens.prompt])
    return Disagreement(name or student.name, kind, prompt, places)


def disagreements(
    students: dict[str, LanguageModel], teacher: LanguageModel, row: TraceRow,
    kind: Divergence = "forward",
) -> Disagreements:  # fmt: skip
    """The same trace for several students, by name. Raises BadInput."""
    return Disagreements(
        tuple(disagreement(one, teacher, row, kind, name=name) for name, one in students.items())
    )


def disagreement_html(maps: Sequence[Disagreement]) -> str:
    """The maps as escaped HTML, with one legend, and one panel for the token hovered over."""
    blocks = "".join(map(_block, maps))
    hint = "Hover over a token, or reach it with Tab, to see what each model expected there."
    return (
        f'{HEAT}<div class="rl-heat" role="group" aria-label="disagreement of student and teacher">'
        f'<div class="rl-texts">{blocks}</div>{_legend(maps[0].kind) if maps else ""}'
        f'<div class="rl-panel"><span>{hint}</span></div></div>'
    )


def shade(nats: float) -> str:
    """The background of a token."""
    opacity = next(opacity for least, opacity in BINS if nats >= least)
    return f"rgba({UNLIKELY}, {opacity})"


# -- inside ---------------------------------------------------------------------------


def _block(one: Disagreement) -> str:
    text = "".join(map(_token, one.places))
    note = f"{one.name} · {one.mean:.3f} nats a token"
    return (
        f'<div class="rl-line"><b>{escape(note)}</b></div><div class="rl-heat-text">'
        f'<span class="rl-prompt">{escape(one.before)}</span>{text}</div>'
    )


def _legend(kind: Divergence) -> str:
    marks = []
    for at, (least, opacity) in enumerate(BINS):
        words = f"below {BINS[at - 1][0]:g}" if at == len(BINS) - 1 else f"{least:g} and more"
        marks.append(f'<span style="background: rgba({UNLIKELY}, {opacity})">{words}</span>')
    return f'<div class="rl-line">{NAMES[kind]} in nats: {" ".join(marks)}</div>'


def _token(place: Place) -> str:
    shown = written(Token(place.text))
    if not place.learned:
        return f'<span class="rl-prompt" title="no model wrote this">{shown}</span>'
    said = (
        f"{Token(place.text).name}: {place.nats:.3f} nats; the teacher gave it"
        f" {percent(place.teacher)}, the student {percent(place.student)}"
    )
    sides = "<br>".join(
        f"{who}: "
        + "&emsp;".join(
            f'<span class="rl-pair"><b>{escape(Token(text).name)}</b> {percent(p)}</span>'
            for text, p in best
        )
        for who, best in (("teacher", place.teachers), ("student", place.students))
    )
    tip = f'<span class="rl-tip" aria-hidden="true">{escape(said)}<br>{sides}</span>'
    return (
        f'<span class="rl-token" tabindex="0" role="note" aria-label="{escape(said)}"'
        f' title="{escape(said)}" style="background: {shade(place.nats)}">{shown}{tip}</span>'
    )
