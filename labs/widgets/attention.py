"""Attention of one layer as a picture: which earlier tokens each token looked at."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import ipywidgets as ipw
import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from evaluators.errors import LabError
from labs.tokens import Token
from labs.widgets.style import ERROR
from reasoning.core import LanguageModel, Prompt
from reasoning.models.introspect import attention, vocabulary

MEAN = -1
"""The choice of head that shows the mean of all."""


def picture(weights: np.ndarray, names: Sequence[str], title: str = "") -> Figure:
    """A matrix (T, T): row t is where token t looked, dark is much. Names label both axes; the
    colours go by the root of the weight."""
    count = len(names)
    side = min(8.0, 2.2 + 0.16 * count)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    # Weights sum to 1 along a row, so most are small: a root shows them.
    image = axes.imshow(weights, cmap="Blues", norm=PowerNorm(0.5, 0.0, 1.0))
    size = 8 if count <= 40 else max(3, 320 // count)
    face = {"fontsize": size, "family": "monospace"}
    axes.set_xticks(range(count), names, rotation=90, **face)
    axes.set_yticks(range(count), names, **face)
    axes.set_xlabel("looked at")
    axes.set_ylabel("token")
    axes.set_title(title, fontsize="medium")
    figure.colorbar(image, ax=axes, shrink=0.7, label="weight")
    return figure


def strongest(weights: np.ndarray, names: Sequence[str], count: int = 3) -> str:
    """Where the last token looked most, in words."""
    last = weights[-1]
    order = np.argsort(-last, kind="stable")[:count]
    seen = ", ".join(f"{names[i]} at place {i + 1} ({last[i]:.2f})" for i in order)
    return f"The last token, {names[-1]}, looks most at {seen}."


class AttentionView:
    """A choice of layer and head, and the matrix they show. `widget` is what a cell displays.

    The tokens are those of the prompt, and of `completion_ids` after it.
    """

    def __init__(
        self, model: LanguageModel, prompt: Prompt, completion_ids: Sequence[int] = ()
    ) -> None:
        self._model = model
        self.view = ipw.HTML()
        self.layer, self.head = ipw.Dropdown(description="layer"), ipw.Dropdown(description="head")
        self.widget = ipw.VBox([ipw.HBox([self.layer, self.head]), self.view])
        try:
            self._ids = [*self._encode(prompt), *completion_ids]
            names = vocabulary(model)  # type: ignore[arg-type]
            self._names = [Token(names[i]).name for i in self._ids]
            count = model.torch_model.config.get_text_config(decoder=True).num_hidden_layers  # type: ignore[attr-defined]
            self._heads = attention(model, self._ids, count - 1)
        except LabError as error:
            self.view.value = f'<div role="alert" style="{ERROR}">{escape(str(error))}</div>'
            return
        places = {0: "0 (first)", count - 1: f"{count - 1} (last)"}
        self.layer.options = [(places.get(i, str(i)), i) for i in range(count)]
        self.layer.value = count - 1
        mean = ("mean of all", MEAN)
        self.head.options = [mean, *((str(h), h) for h in range(len(self._heads)))]
        self.head.value = MEAN
        self.layer.observe(self._other_layer, names="value")
        self.head.observe(self._show, names="value")
        self._show()

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, str] | None:
        return self.widget._repr_mimebundle_(**kwargs)

    def _encode(self, prompt: Prompt) -> list[int]:
        if getattr(self._model, "torch_model", None) is None:
            attention(self._model, [], 0)  # says what is missing
        return self._model.encode(prompt)  # type: ignore[attr-defined]

    def _other_layer(self, change: object = None) -> None:
        self._heads = attention(self._model, self._ids, int(self.layer.value or 0))
        self._show()

    def _show(self, change: object = None) -> None:
        head = self.head.value
        weights = self._heads.mean(axis=0) if head == MEAN else self._heads[head]
        what = "mean of all heads" if head == MEAN else f"head {head}"
        title = f"{self._model.name}, layer {self.layer.value}, {what}"
        said = strongest(weights, self._names)
        source = png(picture(weights, self._names, title))
        self.view.value = (
            f'<img alt="{escape(f"{title}. {said}")}" src="{source}" style="max-width: 100%">'
            f"<div>{escape(said)}</div>"
        )


def png(figure: Figure) -> str:
    """A figure as a data address."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
