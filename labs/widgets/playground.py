"""Playground: every knob of sampling, the distribution before and after it, and the text it draws.

No cell waits for it: what needs the model runs in one worker thread, in the order of the clicks;
moving a slider only redraws the bars, from logits that were computed once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import Any

import ipywidgets as ipw
import numpy as np

from labs.widgets.bars import bars_html
from labs.widgets.heat import HeatMap, heat_html
from labs.widgets.knobs import Knobs
from labs.widgets.style import ERROR
from labs.widgets.writing import Writing, asked
from reasoning.core import LanguageModel, Sampling
from reasoning.models.introspect import Distribution, truncated

INTERVAL = 0.2
"""Seconds between two pictures of a text that is being written."""


class Playground:
    """One prompt, all controls. `widget` is what a cell displays; it may be displayed twice.

    The text is the one that `model.generate` gives for this prompt, these controls and this seed.
    What goes wrong is shown in the widget.
    """

    def __init__(
        self, model: LanguageModel, prompt: str, sampling: Sampling | None = None, seed: int = 0
    ) -> None:
        self.model = model
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="playground")
        self._stop = threading.Event()
        self._shown: Distribution | None = None
        self.prompt = ipw.Textarea(
            prompt,
            description="prompt",
            continuous_update=False,
            rows=2,
            layout=ipw.Layout(width="98%"),
        )
        self.knobs = Knobs(model, sampling or Sampling(max_tokens=64), seed, self._redraw)
        self.bars, self.text, self.status = ipw.HTML(), ipw.HTML(), ipw.HTML()
        self.next = self._button("next token", "step-forward", self._one)
        self.rest = self._button("to the end", "fast-forward", self._all)
        self.stop = ipw.Button(
            description="stop", icon="stop", button_style="warning", disabled=True
        )
        self.stop.on_click(lambda _: self._stop.set())
        self.again = self._button("start again", "undo", self._clear)
        self.prompt.observe(self._reset, names="value")
        self.knobs.seed.observe(self._reset, names="value")
        left = ipw.VBox([*self.knobs.widgets], layout=ipw.Layout(width="350px"))
        right = ipw.Box([self.bars], layout=ipw.Layout(flex="1 1 380px", min_width="340px"))
        buttons = ipw.HBox([self.next, self.rest, self.stop, self.again])
        self.widget = ipw.VBox(
            [
                self.prompt,
                ipw.Box([left, right], layout=ipw.Layout(display="flex", flex_flow="row wrap")),
                buttons,
                self.status,
                self.text,
            ]
        )
        self._writing: Writing | None = None
        self._reset()

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, str] | None:
        return self.widget._repr_mimebundle_(**kwargs)

    def wait(self, timeout: float | None = None) -> None:
        """Wait until everything clicked so far is done."""
        self._worker.submit(lambda: None).result(timeout)

    def _button(self, name: str, icon: str, action: Callable[[], None]) -> ipw.Button:
        made = ipw.Button(description=name, icon=icon)

        def clicked(_: object) -> None:
            self._stop.clear()
            self._do(action)

        made.on_click(clicked)
        return made

    # -- what a click starts, in the worker thread ------------------------------------

    def _do(self, action: Callable[[], None]) -> None:
        self._worker.submit(self._guarded, action)

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            self.status.value = ""
            action()
        except Exception as error:
            # A thread has no caller to raise to: the widget says what went wrong.
            said = f"{type(error).__name__}: {error}"
            self.status.value = f'<div role="alert" style="{ERROR}">{escape(said)}</div>'

    def _reset(self, change: object = None) -> None:
        """Another prompt or seed: the text so far is not of it."""
        self._stop.set()
        self._do(self._fresh)

    def _fresh(self) -> None:
        self._shown = self._writing = None
        self.bars.value = self.text.value = ""
        prompt = asked(self.prompt.value)
        self._writing = Writing(self.model, prompt, self.knobs.seed.value)
        self._picture()

    def _clear(self) -> None:
        if self._writing is not None:
            self._writing.clear()
            self._picture()

    def _one(self) -> None:
        if self._writing is not None:
            self._writing.step(self.knobs.sampling)
            self._picture()

    def _all(self) -> None:
        """Write to the end in the lab's event loop; look at it five times a second."""
        if self._writing is None:
            return
        from reasoning.loop import start

        self._busy(True)
        try:
            pace = float(self.knobs.pace.value or 0.0)
            handle = start(self._writing.rest(self.knobs.sampling, pace))
            while not handle.done():
                self._stop.wait(INTERVAL)
                if self._stop.is_set():
                    handle.stop()
                    while not handle.done():
                        time.sleep(0.01)
                self._picture(follow=pace > 0)
            if not self._stop.is_set():
                handle.result()
            self._writing.explain()
            self._picture()
        finally:
            self._busy(False)

    def _busy(self, busy: bool) -> None:
        self.stop.disabled = not busy
        self.next.disabled = self.rest.disabled = self.again.disabled = busy

    # -- pictures -----------------------------------------------------------------------

    def _picture(self, follow: bool = True) -> None:
        """Show the text so far and, where it follows, the distribution of the next token."""
        writing = self._writing
        assert writing is not None
        tokens = tuple(writing.tokens)
        ends = {"eos": "it ended by itself", "length": "the context is full"}
        count = f"{len(tokens)} token{'s' * (len(tokens) != 1)}"
        note = f"{count}; {ends.get(writing.ended or '', 'the next token can be drawn')}"
        before = writing.prompt.messages[0].content
        self.text.value = heat_html([HeatMap(tokens, note, before)])
        if writing.ended is not None:
            self._shown = None
            self.bars.value = "<em>The text has ended: there is no next token.</em>"
        elif follow:
            self._shown = writing.look()
            self._redraw()

    def _redraw(self, change: Any = None) -> None:
        shown = self._shown
        if shown is not None:
            after: np.ndarray = truncated(shown, self.knobs.sampling)
            self.bars.value = bars_html(shown, after)
