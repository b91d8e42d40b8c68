"""What a model cannot do is one sentence; what nobody can read is an error."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from evaluators import load_task
from evaluators.errors import UnknownName
from labs.fit import fitting


@dataclass(frozen=True)
class Mute:
    """A model that can nothing beside generate."""

    name: str = "mute"
    can: frozenset[str] = frozenset()
    dialect: str = "plain"
    flops_per_token: float = 0.0


def test_a_strategy_that_the_model_cannot_serve_is_left_out_with_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = load_task("expressions", n=1)
    able = fitting(["chain-of-thought", "step-resample"], task, Mute())  # type: ignore[arg-type]
    assert list(able) == ["chain-of-thought"]
    said = capsys.readouterr().out
    assert "continue a started answer" in said and "mute" in said
    assert said.count("\n") == 1


def test_names_are_kept_and_a_misspelt_strategy_raises() -> None:
    task = load_task("expressions", n=1)
    able = fitting({"plainly": "direct"}, task, Mute())  # type: ignore[arg-type]
    assert list(able) == ["plainly"]
    with pytest.raises(UnknownName):
        fitting(["chain-of-though"], task, Mute())  # type: ignore[arg-type]
