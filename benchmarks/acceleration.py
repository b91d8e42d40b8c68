"""Measure every switch of `load_model` that makes decoding cheaper: speed, memory, accuracy kept.

    OMP_NUM_THREADS=1 python benchmarks/acceleration.py > benchmarks/acceleration.md   # 10 minutes
    OMP_NUM_THREADS=1 python benchmarks/acceleration.py --quick                        # two

Speed: the same seeded work by every arm in turn, several rounds; the ratio to the first arm is
taken within a round, its least and most over the rounds say how far it can be trusted. On the
embedded model, and on a copy of it that computes the same function in a shape of 50 million
parameters, which does not fit the processor's cache. Accuracy: the embedded model's chains at
temperature 0 and 1, against float32 on the same problems and seeds.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from evaluators import load_task
from evaluators.intervals import paired_bootstrap
from labs.recipes.measure import judged
from labs.recipes.wide import save, widen
from labs.speed import (
    Timing,
    Work,
    agreement,
    one_by_one,
    prompts_of,
    race,
    same_tokens,
    step_by_step,
    together,
)
from reasoning import Sampling, load_model
from reasoning.models.quantise import stored_bytes

DRAFTS = {"tiny-weak": 4, "tiny-student": 4, "ngram": 3}
BATCHED: dict[str, dict[str, Any]] = {
    "float32, batched loop": {},
    "prefix_cache=False": {"prefix_cache": False},
    **{f"draft={d!r}, {k} tokens": {"draft": d, "draft_tokens": k} for d, k in DRAFTS.items()},
    "weights='int8'": {"weights": "int8"},
    "weights='nf4'": {"weights": "nf4"},
    "attention='sdpa'": {"attention": "sdpa"},
    "attention='eager'": {"attention": "eager"},
    "dtype='bfloat16'": {"dtype": "bfloat16"},
}
FUSED = {
    arm: options
    for arm, options in BATCHED.items()
    if not {"weights", "attention", "dtype"} & set(options)
}


def opened(name: str, arms: dict[str, dict[str, Any]], first: str) -> dict[str, Any]:
    """Every arm's model; the arm without options is named `first`."""
    return {arm if options else first: load_model(name, **options) for arm, options in arms.items()}


def table(models: dict[str, Any], work: Work, rounds: int, note: str) -> list[Timing]:
    """Race the models and print a table."""
    timings = race(models, work, rounds)
    print(f"\n### {note}\n")
    print("| | tokens/s | times the first, wall | processor | taken | tokens a reading |", end="")
    print(" same completions |\n|---|---|---|---|---|---|---|")
    for timing in timings:
        found = models[timing.arm].speculation
        spoken = f"{found.rate:.0%} | {found.per_round:.2f}" if found else "– | –"
        equal = same_tokens(timing.completions, timings[0].completions)
        print(
            f"| {timing.arm} | {timing.tokens_per_second:,.0f} | {timing.wall} "
            f"| {timing.processor} | {spoken} | {equal:.1%} |",
            flush=True,
        )
    return timings


def close(models: dict[str, Any]) -> None:
    """Stop the threads of all arms."""
    for model in models.values():
        model.close()


def memory(models: dict[str, Any], drafts: dict[str, int]) -> None:
    """Print what the parameters take as stored, those of a draft beside them."""
    print("\n| | parameters and buffers, MB | of them a draft's |\n|---|---|---|")
    for arm, model in models.items():
        extra = next((size for draft, size in drafts.items() if draft in arm), 0)
        own = stored_bytes(model.torch_model)
        print(f"| {arm} | {(own + extra) / 1e6:.2f} | {extra / 1e6:.2f} |")


def accuracy(models: dict[str, Any], problems: int) -> None:
    """Print the share of right chains and the paired difference to the first model."""
    print(f"\n### Accuracy kept: `tiny`, expressions, {problems} test problems, chains\n")
    print("| | greedy | difference, 95 % | same text | temperature 1 | difference, 95 % |")
    print("|---|---|---|---|---|---|")
    task, base = load_task("expressions", split="test", n=problems, ops=(4, 8)), {}
    for arm, model in models.items():
        cells = []
        for heat in (0.0, 1.0):
            sampling = Sampling(temperature=heat, max_tokens=128)
            drawn = together(prompts_of(task, model), sampling)(model)
            pairs = zip(task.problems, drawn, strict=True)
            right = np.array([judged(task, p, c) for p, c in pairs], float)
            first, texts = base.setdefault(heat, (right, drawn))
            gap = paired_bootstrap(right, first, np.random.default_rng(0))
            cells.append(
                f"{right.mean():.3f} | {gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"
            )
            if not heat:
                cells.append(f"{same_tokens(drawn, texts):.1%}")
        print(f"| {arm} | {' | '.join(cells)} |", flush=True)


def setting() -> str:
    """Date, processor, load, versions, command."""
    info = Path("/proc/cpuinfo")
    names = info.read_text().split("\n") if info.exists() else []
    names = [x.split(":")[1].strip() for x in names if "model name" in x]
    processor = f"{len(names)} x {names[0]}" if names else platform.machine()
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    command = " ".join(["OMP_NUM_THREADS=1 python benchmarks/acceleration.py", *sys.argv[1:]])
    load = os.getloadavg()[0]
    return f"{datetime.now(UTC).date()}, {processor}, load {load:.1f}, {versions}, `{command}`"


def agreements(prompts: int) -> None:
    """Print how well each draft model agrees with `tiny`, and the bound of any rule."""
    tiny: Any = load_model("tiny")
    print("\n### How often a draft's token can be taken (temperature 1, `tiny`'s own texts)\n")
    print("| draft | format | with the same uniform numbers | at most (1 - TV) | positions |")
    print("|---|---|---|---|---|")
    for format in ("chain", "direct"):
        task = load_task("expressions", split="test", n=prompts, ops=(2, 6))
        asked = prompts_of(task, tiny, format)
        drawn = together(asked, Sampling(max_tokens=128))(tiny)
        for name in ("tiny-weak", "tiny-student"):
            draft = load_model(name)
            found = agreement(tiny, draft, asked, drawn)
            print(
                f"| `{name}` | {format} | {found.shared:.3f} | {found.bound:.3f} "
                f"| {found.positions:,} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer problems and rounds")
    parser.add_argument("--factor", type=int, default=8, help="how much wider the copy is")
    args = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    rounds, many, single = (2, 16, 2) if args.quick else (3, 32, 4)
    print(f"# Acceleration, measured\n\n{setting()}, one thread, {rounds} rounds.")
    print(
        "Ratios are medians over the rounds, with the least and the most; `taken` is the accepted"
    )
    print(
        "share of the proposed tokens, `tokens a reading` what one verifying pass of a row brings."
    )
    whole = Sampling(max_tokens=96)
    task = load_task("expressions", split="test", n=many, ops=(4, 8))
    line, lines = replace(whole, boundary=task.boundary), "One line a call, as a search over steps"

    print("\n## `tiny`, 0.85 million parameters, fused path")
    models = opened("tiny", FUSED, "float32, fused path")
    asked = prompts_of(task, next(iter(models.values())))
    table(models, one_by_one(asked, whole), rounds, "One request at a time")
    table(models, together(asked * 2, whole), rounds, f"{2 * many} requests at once")
    two = dict(list(models.items())[:2])
    table(two, step_by_step(asked, line), rounds, lines)
    close(models)

    print("\n## `tiny`, batched loop")
    arms = {arm: options for arm, options in BATCHED.items() if arm not in FUSED}
    base: Any = load_model("tiny", decode="batched")
    models = {"float32, batched loop": base} | opened("tiny", arms, "")
    table(models, one_by_one(asked[: many // 2], whole), rounds, "One request at a time")
    table(models, together(asked, whole), rounds, f"{many} requests at once")
    memory(models, {})
    accuracy(models, 60 if args.quick else 200)
    close(models)

    agreements(40 if args.quick else 200)
    with tempfile.TemporaryDirectory() as folder:
        tiny: Any = load_model("tiny")
        name = save(widen(tiny.torch_model, args.factor), tiny.tokenizer, folder)
        models = opened(name, BATCHED, "float32, batched loop")
        base = models["float32, batched loop"]
        count = base.torch_model.num_parameters() / 1e6
        ids = torch.tensor([base.encode(asked[0])])
        with torch.no_grad():
            gap = base.torch_model(ids).logits - tiny.torch_model(ids).logits
        print(f"\n## The same function in {count:.0f} million parameters, batched loop\n")
        print(f"Its logits differ from those of `tiny` by at most {float(gap.abs().max()):.1e}.")
        table(models, one_by_one(asked[:single], whole), rounds, "One request at a time")
        table(models, together(asked[:16], whole), rounds, "16 requests at once")
        two = dict(list(models.items())[:2])
        table(two, step_by_step(asked[:single], line), rounds, lines)
        drafts: Any = {name: load_model(name) for name in DRAFTS if name != "ngram"}
        memory(models, {name: stored_bytes(m.torch_model) for name, m in drafts.items()})
        close(models)
    print(f"\nLoad at the end {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    main()
