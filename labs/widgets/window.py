"""Token budget: how a call fills the context window, and what it costs at prices that you set."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import ipywidgets as ipw

from labs.widgets.style import LIKELY, UNLIKELY
from reasoning.budget import Price
from reasoning.core import LanguageModel, Usage


@dataclass(frozen=True)
class Call:
    """The tokens of one call, and the model's context window (`None`: not told)."""

    prompt: int
    completion: int
    context: int | None = None

    @property
    def left(self) -> int | None:
        """Tokens that would still fit; negative where prompt and completion do not."""
        return None if self.context is None else self.context - self.prompt - self.completion

    def dollars(self, price: Price, samples: int = 1, questions: int = 1) -> float:
        """Cost of `samples` answers to each of so many questions of this length. The prompt of the
        first answer is fresh, that of the others is read from the cache."""
        fresh = price.of(Usage(self.prompt, 0, self.completion))
        again = price.of(Usage(self.prompt, self.prompt, self.completion))
        return questions * (fresh + max(0, samples - 1) * again) if samples > 0 else 0.0


def window_html(call: Call) -> str:
    """The context window as a bar: prompt, generated, left."""
    whole = max(call.context or 0, call.prompt + call.completion, 1)
    parts = [("prompt", call.prompt, f"rgba({LIKELY}, 0.85)")]
    parts.append(("generated", call.completion, f"rgba({UNLIKELY}, 0.9)"))
    if call.left is not None and call.left > 0:
        parts.append(("left", call.left, "var(--jp-border-color2, #ddd)"))
    bar = "".join(
        f'<div style="width: {100 * count / whole:.2f}%; background: {colour}"></div>'
        for _, count, colour in parts
    )
    key = "&emsp;".join(
        f'<span style="color: {colour}" aria-hidden="true">■</span> {name} {count:,}'
        for name, count, colour in parts
    )
    end = "context window not told" if call.context is None else f"of {call.context:,} tokens"
    said = ", ".join(f"{name} {count}" for name, count, _ in parts)
    over = ""
    if call.left is not None and call.left < 0:
        over = f"&emsp;<b>{-call.left:,} too many: shorten the prompt or the answer</b>"
    return (
        '<div style="max-width: 640px; color: var(--jp-ui-font-color1, inherit)">'
        f'<div role="img" aria-label="{escape(said)}" style="display: flex; height: 18px;'
        f' border-radius: 4px; overflow: hidden">{bar}</div>'
        f'<div style="font-size: 13px; padding-top: 4px">{key}&emsp;{end}{over}</div></div>'
    )


def money(dollars: float) -> str:
    """Dollars with the digits that matter: `$12.30`, `$0.0042`, `$0.0000013`."""
    if dollars >= 1 or dollars == 0:
        return f"${dollars:,.2f}"
    return f"${dollars:.{1 - math.floor(math.log10(dollars))}f}"


def context_of(model: LanguageModel) -> int | None:
    """The model's context window in tokens, `None` where it is not told."""
    return getattr(model, "max_positions", None) or getattr(model, "context", None)


class WindowView:
    """The bar, and what it costs as prices, samples and questions change. `widget` is what a cell
    displays."""

    def __init__(self, call: Call, price: Price, samples: int = 1, questions: int = 1000) -> None:
        self.call = call
        wide = {"style": {"description_width": "190px"}, "layout": ipw.Layout(width="300px")}
        self.prompt = ipw.BoundedFloatText(
            price.prompt, min=0, max=1e6, description="$ a million prompt tokens", **wide
        )
        self.cached = ipw.BoundedFloatText(
            price.cached, min=0, max=1e6, description="$ a million cached tokens", **wide
        )
        self.completion = ipw.BoundedFloatText(
            price.completion, min=0, max=1e6, description="$ a million generated", **wide
        )
        self.samples = ipw.BoundedIntText(
            samples, min=1, max=10_000, description="answers a question", **wide
        )
        self.questions = ipw.BoundedIntText(
            questions, min=1, max=10**9, description="questions", **wide
        )
        self.cost = ipw.HTML()
        fields = [self.prompt, self.cached, self.completion, self.samples, self.questions]
        for each in fields:
            each.observe(self._show, names="value")
        self.widget = ipw.VBox([ipw.HTML(window_html(call)), *fields, self.cost])
        self._show()

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, str] | None:
        return self.widget._repr_mimebundle_(**kwargs)

    @property
    def price(self) -> Price:
        """The prices in the fields."""
        return Price(self.prompt.value, self.cached.value, self.completion.value)

    def _show(self, change: object = None) -> None:
        samples, questions = self.samples.value, self.questions.value
        one = self.call.dollars(self.price)
        each = self.call.dollars(self.price, samples)
        whole = self.call.dollars(self.price, samples, questions)
        many = f"{samples} answers" if samples > 1 else "1 answer"
        self.cost.value = (
            f"one answer {money(one)} · a question with {many} {money(each)}"
            f" · {questions:,} questions <b>{money(whole)}</b>"
        )
