"""Tool use through a server is tool use: the same traces, the same tokens."""

from __future__ import annotations

import pytest

from evaluators.tasks import load_task
from labs.server.listen import Server
from reasoning import load_model
from search import ToolUse, compare


@pytest.fixture(scope="module")
def both():
    here = load_model("tiny-tools")
    with Server(here) as server:
        yield here, load_model(f"openai:tiny-tools@{server.url.removesuffix('/v1')}")


def test_a_served_model_calls_as_it_does_here(both) -> None:
    task = load_task("expressions", n=6, ops=(2, 3), leaf=99, most=9999)
    runs = [compare({"t": ToolUse()}, task, model, [128], progress=False) for model in both]
    here, there = ({cell.problem: cell for cell in run.cells} for run in runs)
    assert sum(cell.correct for cell in here.values()) >= 5
    for name, cell in here.items():
        assert cell.facts() == there[name].facts() and cell.prompt == there[name].prompt
        sources = {step.source for trace in cell.traces for step in trace.steps}
        assert sources == {"model", "tool"}


def test_a_server_that_does_not_tell_a_stop_from_the_end_is_understood(both) -> None:
    here, there = both
    task = load_task("expressions", n=6, ops=(2, 3), leaf=99, most=9999)
    mute = load_model(f"openai:tiny-tools@{there.name.partition('@')[2]}",
                      can="continue,seed,logprobs")  # fmt: skip
    runs = [compare({"t": ToolUse()}, task, m, [128], progress=False) for m in (here, mute)]
    texts = [{c.problem: c.traces[0].text for c in run.cells} for run in runs]
    assert texts[0] == texts[1]
