"""The controls of sampling as sliders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as ipw

from reasoning.core import LanguageModel, Sampling

PACES = {"as fast as it comes": 0.0, "10 tokens a second": 10.0, "3 tokens a second": 3.0}


class Knobs:
    """Sliders for temperature, top-k, top-p, min-p and length, a seed and a pace.

    `changed` is called with every move of a control that shapes the distribution. A control that
    the model's server does not take is disabled, and says so.
    """

    def __init__(
        self,
        model: LanguageModel,
        sampling: Sampling,
        seed: int,
        changed: Callable[[Any], None],
    ) -> None:
        wide = {"style": {"description_width": "90px"}, "layout": ipw.Layout(width="330px")}
        self.temperature = ipw.FloatSlider(
            sampling.temperature, min=0, max=2, step=0.05, description="temperature", **wide
        )
        self.top_k = ipw.IntSlider(
            sampling.top_k, min=0, max=50, description="top-k (0: off)", **wide
        )
        self.top_p = ipw.FloatSlider(
            sampling.top_p, min=0.01, max=1, step=0.01, description="top-p (1: off)", **wide
        )
        self.min_p = ipw.FloatSlider(
            sampling.min_p, min=0, max=1, step=0.01, description="min-p (0: off)", **wide
        )
        self.length = ipw.IntSlider(
            sampling.max_tokens,
            min=1,
            max=max(256, sampling.max_tokens),
            description="length",
            **wide,
        )
        self.seed = ipw.BoundedIntText(seed, min=0, max=2**31 - 1, description="seed", **wide)
        self.pace = ipw.Dropdown(options=PACES, description="pace", **wide)
        local = getattr(model, "torch_model", None) is not None
        missing = [] if local else [n for n in ("top_k", "min_p") if n not in model.can]
        for name in missing:
            slider = getattr(self, name)
            slider.disabled, slider.tooltip = True, "this endpoint does not take it"
        self.note = ipw.HTML(
            f"<em>This endpoint does not take {' and '.join(missing)}.</em>" if missing else ""
        )
        for slider in (self.temperature, self.top_k, self.top_p, self.min_p):
            slider.observe(changed, names="value")

    @property
    def widgets(self) -> list[ipw.Widget]:
        """All controls, from top to bottom."""
        shaping = [self.temperature, self.top_k, self.top_p, self.min_p]
        return [
            *shaping,
            self.length,
            self.seed,
            self.pace,
            *([self.note] if self.note.value else []),
        ]

    @property
    def sampling(self) -> Sampling:
        """What the controls say now."""
        return Sampling(
            max_tokens=self.length.value,
            temperature=self.temperature.value,
            top_k=self.top_k.value,
            top_p=self.top_p.value,
            min_p=self.min_p.value,
        )
