"""One prompt, several arms side by side: two models, two settings, or many samples of one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import ipywidgets as ipw

from labs.widgets.heat import heat_html, heat_map
from labs.widgets.style import ERROR
from labs.widgets.writing import asked
from reasoning.core import Completion, LanguageModel, Prompt, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.loop import Handle, start


@dataclass(frozen=True)
class Arm:
    """A column: who answers and how; `sampling.n` completions stand below each other."""

    title: str
    model: LanguageModel
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0


async def ask(arm: Arm, prompt: Prompt) -> list[Completion]:
    """The completions of one arm, charged to nobody."""
    return await arm.model.generate(prompt, arm.sampling, Ledger(), SeedPath(arm.seed))


class Answers:
    """A prompt box, a button, and a column of heat maps for each arm.

    The arms are asked at the same time in the background; a column shows what went wrong in its
    arm alone. `completions[title]` are the latest answers.
    """

    def __init__(self, arms: Sequence[Arm], prompt: str) -> None:
        self.arms, self.completions = tuple(arms), {}
        self.prompt = ipw.Textarea(
            prompt, description="prompt", rows=2, layout=ipw.Layout(width="98%")
        )
        self.button = ipw.Button(description="ask", icon="play")
        self.stop = ipw.Button(description="stop", icon="stop", disabled=True)
        self.button.on_click(lambda _: self.ask())
        self.stop.on_click(lambda _: self._cancel())
        self._columns = [ipw.HTML() for _ in self.arms]
        self._handles: list[Handle[Any]] = []
        self._ended = threading.Event()
        width = f"{max(24, 100 // max(1, len(self.arms)) - 2)}%"
        columns = [
            ipw.VBox(
                [ipw.HTML(f"<b>{escape(arm.title)}</b>"), column],
                layout=ipw.Layout(width=width, min_width="300px", padding="0 12px 0 0"),
            )
            for arm, column in zip(self.arms, self._columns, strict=True)
        ]
        self.widget = ipw.VBox(
            [
                self.prompt,
                ipw.HBox([self.button, self.stop]),
                ipw.Box(columns, layout=ipw.Layout(display="flex", flex_flow="row wrap")),
            ]
        )
        self.ask()

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, str] | None:
        return self.widget._repr_mimebundle_(**kwargs)

    def ask(self) -> None:
        """Ask all arms; returns at once."""
        self._ended.clear()
        self.button.disabled, self.stop.disabled = True, False
        prompt = asked(self.prompt.value)
        for column in self._columns:
            column.value = "<em>writing …</em>"
        self.completions.clear()
        self._handles = [start(ask(arm, prompt)) for arm in self.arms]
        worker = threading.Thread(target=self._collect, args=(prompt,), name="answers", daemon=True)
        worker.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all columns are filled. Returns whether they are."""
        return self._ended.wait(timeout)

    def _cancel(self) -> None:
        for handle in self._handles:
            handle.stop()

    def _collect(self, prompt: Prompt) -> None:
        for arm, handle, column in zip(self.arms, self._handles, self._columns, strict=True):
            try:
                completions = handle.result()
                self.completions[arm.title] = completions
                column.value = column_html(arm, prompt, completions)
            except Exception as error:
                # A thread has no caller to raise to: the column says what went wrong.
                said = str(error) or "stopped"
                column.value = f'<div role="alert" style="{ERROR}">{escape(said)}</div>'
        self.button.disabled, self.stop.disabled = False, True
        self._ended.set()


def column_html(arm: Arm, prompt: Prompt, completions: Sequence[Completion]) -> str:
    """The heat maps of one arm, below each other."""
    maps = [heat_map(arm.model, prompt, each) for each in completions]
    return heat_html(maps, narrow=True)
