"""What a server of others makes of our client: `python benchmarks/servers.py openai:MODEL@URL`.

Prints what the server was found to do on both routes; then four strategies under one cap, the sum
of their ledgers beside the server's own counters (where it has a /metrics page as vLLM and
llama.cpp do), and how many greedy chains equal those of the embedded model, for a server that
holds `tiny`. Needs a server that does nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import re
import urllib.request
from typing import cast

from evaluators import load_task
from labs.fit import fitting
from labs.summary import summary
from reasoning import load_model
from reasoning.models.endpoint.address import read_address
from reasoning.models.endpoint.model import EndpointModel
from reasoning.models.endpoint.server import Route
from search import compare

ARMS = (
    "chain-of-thought",
    "self-consistency",
    "best-of-n(scorer=mean-likelihood)",
    "step-resample",
)
COUNTERS = (
    "vllm:prompt_tokens_total",
    "vllm:generation_tokens_total",
    "vllm:request_success_total",
    "llamacpp:tokens_predicted_total",
)
ROUTES: tuple[tuple[Route, str], ...] = (("completions", "compact"), ("chat", "plain"))


def counters(base: str) -> dict[str, float]:
    """The counters of the server's /metrics page; empty without one."""
    try:
        with urllib.request.urlopen(base.removesuffix("/v1") + "/metrics", timeout=10) as page:
            text = page.read().decode()
    except OSError:
        return {}
    found = {c: re.findall(rf"^{c}(?:{{.*}})? (\S+)$", text, re.MULTILINE) for c in COUNTERS}
    return {name: sum(map(float, values)) for name, values in found.items() if values}


def main() -> None:
    """Ask, compare, count."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("model", help="openai:MODEL@URL")
    options.add_argument("--dialect", default="compact", choices=("compact", "plain"))
    options.add_argument("--problems", type=int, default=10)
    options.add_argument("--budget", type=int, default=128)
    given = options.parse_args()
    for route, dialect in ROUTES:
        try:
            asked = cast(EndpointModel, load_model(given.model, route=route, dialect=dialect))
            print(
                f"{route}: {', '.join(sorted(asked.can)) or 'completes only'}; probe {asked.probe}"
            )
        except Exception as error:  # a server may lack a route; the other one is still told
            print(f"{route}: {error}")
    model = cast(EndpointModel, load_model(given.model, dialect=given.dialect))
    base = read_address(given.model.removeprefix("openai:")).bases[0]
    task = load_task("expressions", n=given.problems, ops=5)
    before = counters(base)
    report = compare(fitting(ARMS, task, model), task, model, [given.budget])
    after = counters(base)
    print(summary(report))
    sums = {
        name: sum(getattr(cell, name) for cell in report.cells)
        for name in ("prompt", "completion", "calls", "lost")
    }
    print(f"ledgers: {sums}")
    print(f"server:  { {name: after[name] - before.get(name, 0.0) for name in after} }")
    print(f"token counts not believed: {dict(model.doubts)}")
    if given.dialect == "compact":
        own = compare("chain-of-thought", task, load_model("tiny"), [given.budget])
        pairs = zip(
            report.select("chain-of-thought", given.budget),
            own.select("chain-of-thought", given.budget),
            strict=True,
        )
        same = sum(a.traces[0].text == b.traces[0].text for a, b in pairs)
        print(f"greedy chains equal to those of `tiny` in process: {same} of {len(task)}")


if __name__ == "__main__":
    main()
