"""Prefix reuse in tree search: prompt tokens not computed again, and the time that saves.

    OMP_NUM_THREADS=1 python benchmarks/prefix.py > benchmarks/prefix.md
    OMP_NUM_THREADS=1 python benchmarks/prefix.py --problems 4 --repeats 1    # the same, short

A search over steps sends each node's whole text as the prompt of its children. The prefix cache of
a local model computes only what is new. Every search is run with the cache and without, in turn,
on a model in this process and on one behind the server of `reasonlab serve`; the model is loaded
anew for each, so that the cache is cold. Tokens are of the model's own counters, seconds the median
over the repeats.

Two models: the shipped `tiny`, where a token costs little more than the bookkeeping, and randomly
initialised ones of the same architecture, whose texts mean nothing and whose tokens cost what
those of a real small model cost. On the latter a step is 16 tokens and the likelihood the scorer.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

from quiet import Watch

from evaluators import load_task
from labs.server.listen import Server
from reasoning import load_model
from reasoning.core import Prompt, Sampling, SeedPath
from reasoning.ledger import Ledger
from reasoning.loop import run as wait
from search import compare, parse

SEARCHES = ("beam-search", "best-first", "mcts")
TRAINED = "shots=4"
RANDOM = "shots=8,scorer=mean-likelihood,step_tokens=16,max_tokens=96"
SHAPES: dict[str, dict[str, int]] = {
    "random-25M (fused)": {"hidden_size": 512, "num_hidden_layers": 8},
    "random-60M (batched)": {"hidden_size": 640, "num_hidden_layers": 12},
}


@dataclass(frozen=True)
class Cost:
    """What one run took: prompt tokens, of which `cached` were not computed, and seconds."""

    prompt: int
    cached: int
    completion: int
    seconds: float


def made(folder: Path, shape: dict[str, Any]) -> Path:
    """A randomly initialised Qwen3 with the tokenizer of tiny, as a checkpoint in `folder`."""
    import torch
    import transformers

    import reasoning.models.tiny as tiny

    tokens = Path(tiny.__file__).parent / "tiny"
    tokenizer = transformers.AutoTokenizer.from_pretrained(tokens)
    width = shape["hidden_size"]
    config = transformers.Qwen3Config(
        **shape,
        intermediate_size=4 * width, num_attention_heads=width // 64,
        num_key_value_heads=width // 128, head_dim=64, max_position_embeddings=2048,
        vocab_size=len(tokenizer), tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    config.reasonlab_dialect = "compact"
    torch.manual_seed(0)
    transformers.Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def cost(search: str, task: Any, asked: Any, counted: Any, tokens: int) -> Cost:
    """One search on every problem: `asked` is the model it draws from, `counted` the local one."""
    before, began = counted.counters, time.perf_counter()
    compare([parse(search)], task, asked, [tokens], progress=False)
    seconds, now = time.perf_counter() - began, counted.counters
    return Cost(
        now.prompt - before.prompt, now.cached - before.cached,
        now.completion - before.completion, seconds,
    )  # fmt: skip


def run(search: str, task: Any, name: str, tokens: int, cache: bool, served: bool) -> Cost:
    """One search on every problem by a model that is loaded for it, so that its cache is cold."""
    model: Any = load_model(name, prefix_cache=cache)
    try:
        draws = [SeedPath(0).child(i) for i in range(2)]
        work = [model.generate(Prompt((), "1+1="), Sampling(4), Ledger(), seed) for seed in draws]
        for each in work:  # what is compiled or allocated at first use
            wait(each)
        if not served:
            return cost(search, task, model, model, tokens)
        with Server(model) as server:
            asked = load_model(f"openai:{model.name}@{server.url}", can=sorted(model.can))
            return cost(search, task, asked, model, tokens)
    finally:
        model.close()


def rows(name: str, label: str, settings: str, args: argparse.Namespace) -> Iterator[str]:
    """The table's lines of one model."""
    task = load_task("expressions", n=args.problems)
    for search, served in product(args.searches, (False, True)):
        costs: dict[bool, list[Cost]] = {True: [], False: []}
        for _, cache in product(range(args.repeats), (True, False)):
            asked = f"{search}({settings})"
            costs[cache].append(run(asked, task, name, args.tokens, cache, served))
        yield line(label, search, "served" if served else "here", costs)


def line(label: str, search: str, where: str, costs: dict[bool, list[Cost]]) -> str:
    """One line of the table."""
    kept, anew = costs[True][-1], costs[False][-1]
    seconds = {c: statistics.median(cost.seconds for cost in costs[c]) for c in costs}
    read = {c: costs[c][-1].prompt - costs[c][-1].cached for c in costs}
    return (
        f"| {label} | {search} | {where} | {kept.prompt:,} | {kept.cached / kept.prompt:.1%}"
        f" | {anew.cached / anew.prompt:.1%} | {read[True]:,} | {kept.completion:,}"
        f" | {seconds[True]:.2f} | {seconds[False]:.2f} | {seconds[False] / seconds[True]:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--problems", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=384, help="budget of a problem")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--searches", nargs="+", default=list(SEARCHES))
    parser.add_argument("--models", nargs="+", default=["tiny", *SHAPES])
    args = parser.parse_args()
    import torch

    watch = Watch()
    print("# Prefix reuse in tree search\n\n" + (__doc__ or "").split("\n\n", 2)[2])
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} processors, {torch.get_num_threads()}"
        f" threads, Python {platform.python_version()}, {' '.join(sys.argv[1:]) or 'as above'};"
        f" {args.problems} problems side by side, {args.tokens} tokens each.\n"
    )
    print(
        "| model | search | where | prompt tokens | not computed again | without cache"
        " | computed | drawn | seconds | without cache | ratio |\n" + "|---" * 11 + "|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for label in args.models:
            name, settings = label, TRAINED
            if label in SHAPES:
                place = made(Path(folder) / label.split()[0], SHAPES[label])
                name, settings = f"hf:{place}", RANDOM
            for text in rows(name, label, settings, args):
                print(text, flush=True)
    print(f"\nOthers used {watch.share():.0%} of the processors meanwhile.")


if __name__ == "__main__":
    main()
