"""How fast a model is trained: SFT, on-policy distillation and GRPO steps of a random model.

A Qwen3 of at least `--params` parameters is made from random weights, trained for a few steps by
each method through the library's own functions, and timed after the first steps: tokens a second
(learned, and sampled by the student), FLOP/s by the library's count (`reasoning/train/spent.py`:
2 N forward, 6 N learned; the teacher's reading is counted) and their share of the card's peak in
bfloat16. What the model writes is noise of the full length and earns a number at random: what is
timed is the work of a step. Attention's own products and padding are not counted.

    python benchmarks/training.py                                     # on a GPU
    python benchmarks/training.py --params 2e5 --vocabulary 512 --batch 8 --length 96 --steps 6
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import transformers
import trl
from noise import noise
from torch.optim.optimizer import register_optimizer_step_post_hook

from evaluators import load_task
from evaluators.tasks.base import Task
from reasoning.core import Message
from reasoning.data.rows import Piece, TraceRow, instance_of, question
from reasoning.models.tiny import tokenizer
from reasoning.prompts import PromptStyle
from reasoning.train.methods import METHODS, recipe_of
from reasoning.train.practice import Practice

PEAKS = {
    "H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12,
    "RTX 4090": 165e12,
}  # fmt: skip
"""Dense bfloat16 FLOP/s by the makers' data sheets, by what the card's name has in it."""
LAYERS = 24


@dataclass(frozen=True)
class Pace:
    """The timed part of one method's run: steps, seconds, tokens learned and sampled, FLOPs of the
    student and of its teacher, greatest memory in use (bytes; 0 on a CPU)."""

    method: str
    steps: int
    seconds: float
    learned: int
    sampled: int
    student: float
    teacher: float
    memory: int

    @property
    def rate(self) -> float:
        """FLOP/s, the teacher's among them."""
        return (self.student + self.teacher) / self.seconds


def random_model(parameters: float, vocabulary: int, folder: Path) -> tuple[str, int]:
    """Save a random Qwen3 of at least so many parameters with the embedded tokenizer (ids beyond it
    have no text); its folder and the number of its parameters."""
    words: Any = tokenizer.build()
    width = 64  # a layer has 13 width² parameters
    while vocabulary * width + LAYERS * 13 * width**2 < parameters:
        width += 64
    config = transformers.Qwen3Config(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=3 * width,
        num_hidden_layers=LAYERS if parameters > 1e7 else 2, num_attention_heads=width // 64,
        num_key_value_heads=width // 64, head_dim=64, tie_word_embeddings=True,
        eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    config.reasonlab_dialect = "compact"
    torch.manual_seed(0)
    model: Any = transformers.Qwen3ForCausalLM(config)
    model.generation_config.eos_token_id = words.eos_token_id
    model.generation_config.pad_token_id = words.pad_token_id
    model.to(torch.bfloat16).save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder), sum(p.numel() for p in model.parameters())


def rows_of(task: Task, length: int) -> list[TraceRow]:
    """Traces of about `length` tokens: a line of the problem's numbers over and over."""
    return [
        TraceRow(
            id=problem.id, task=task.name, split="train", seed=0, problem=question(problem),
            instance=instance_of(task.name, problem),
            messages=(Message("user", task.render(problem, "chain", "compact")),),
            pieces=(Piece("1 " * (length // 2 - 12)),), finish="eos",
        ) for problem in task.problems
    ]  # fmt: skip


class Clock:
    """Seconds from the end of step `skip` to the end of the last one (AdamW's steps: Muon would be
    heard several times a step)."""

    def __init__(self, skip: int) -> None:
        self.skip, self.steps, self.ends = skip, 0, [0.0, 0.0]

    def __enter__(self) -> Clock:
        self._hook = register_optimizer_step_post_hook(self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def _heard(self, *_: Any) -> None:
        self.steps += 1
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends[self.steps > self.skip] = time.perf_counter()

    @property
    def seconds(self) -> float:
        return self.ends[1] - self.ends[0]


def timed(method: str, data: Any, policy: str, settings: dict[str, Any], skip: int) -> Pace:
    """Train by a method and time all steps but the first `skip`; all steps are of the same size."""
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    recipe = recipe_of(method, settings)
    with tempfile.TemporaryDirectory() as folder, Clock(skip) as clock:
        place = METHODS[method].train()(data, policy, Path(folder), recipe)
        spent = json.loads((place / "training.json").read_text("utf-8"))["spent"]
    share = (clock.steps - skip) / clock.steps
    return Pace(
        method, clock.steps - skip, clock.seconds, round(spent["learned"] * share),
        round(spent["sampled"] * share), spent["flops"] * share, spent["teacher"] * share,
        torch.cuda.max_memory_allocated() if cuda else 0,
    )  # fmt: skip


def table(paces: Sequence[Pace], peak: float | None) -> str:
    """A line a method."""
    heads = ["method", "steps", "s a step", "tokens learned a s", "tokens sampled a s", "TFLOP/s",
             "share of peak", "GiB"]  # fmt: skip
    lines = [heads, ["---"] * len(heads)]
    for p in paces:
        lines.append([
            p.method, str(p.steps), f"{p.seconds / p.steps:.3f}", f"{p.learned / p.seconds:,.0f}",
            f"{p.sampled / p.seconds:,.0f}", f"{p.rate / 1e12:.3f}",
            f"{p.rate / peak:.1%}" if peak else "unknown", f"{p.memory / 2**30:.1f}",
        ])  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """SFT, on-policy distillation, GRPO."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--params", type=float, default=0.5e9, help="at least so many")
    parser.add_argument("--vocabulary", type=int, default=151_936)
    parser.add_argument("--batch", type=int, default=64, help="traces a step")
    parser.add_argument("--accumulate", type=int, default=1, help="passes a step")
    parser.add_argument("--length", type=int, default=512, help="tokens of a trace, sampled or not")
    parser.add_argument("--samples", type=int, default=8, help="traces of a question in GRPO")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--skip", type=int, default=3, help="first steps that are not timed")
    parser.add_argument("--only", default="", help="methods whose name has this in it")
    parser.add_argument("--peak", type=float, help="FLOP/s of the card, where it is not known")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    if not 0 < chosen.skip < chosen.steps or chosen.batch % chosen.samples:
        parser.error("--skip must be less than --steps, and --batch a multiple of --samples")
    cuda = torch.cuda.is_available()
    name = torch.cuda.get_device_name() if cuda else platform.machine()
    peak = chosen.peak or next((p for n, p in PEAKS.items() if cuda and n in name), None)
    common = {
        "steps": chosen.steps, "accumulate": chosen.accumulate, "lr": 1e-6,
        "save_every": 1_000_000, "max_length": chosen.length + 64,
    }  # fmt: skip
    task = load_task("expressions", "train", 4 * chosen.batch, ops=(3, 4))
    with tempfile.TemporaryDirectory() as folder:
        policy, count = random_model(chosen.params, chosen.vocabulary, Path(folder))
        rows = rows_of(task, chosen.length)
        practice = Practice(((task, 1.0),), PromptStyle("chain"), noise)
        own = {"own_first": 1.0, "own_last": 1.0, "max_new_tokens": chosen.length}
        grouped = {"samples": chosen.samples, "max_tokens": chosen.length, "probe_every": 0}
        plans: list[tuple[str, Any, dict[str, Any]]] = [
            ("sft", rows, {"batch": chosen.batch}),
            ("on-policy", rows, {"batch": chosen.batch, "teacher": policy, **own}),
            ("grpo", practice, {"batch": chosen.batch // chosen.samples, **grouped}),
        ]
        paces = [
            timed(method, data, policy, {**common, **more}, chosen.skip)
            for method, data, more in plans
            if chosen.only in method
        ]
    shown = f"{peak / 1e12:,.0f} TFLOP/s" if peak else "unknown"
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {name}, peak (dense bfloat16): {shown}; torch"
        f" {torch.__version__}, transformers {transformers.__version__}, trl {trl.__version__}\n\n"
        f"A random Qwen3 of {count:,} parameters; {chosen.batch} traces a step in"
        f" {chosen.accumulate} passes, {chosen.length} tokens each, the first {chosen.skip} steps"
        " not timed.\n"
    )
    print(table(paces, peak))
    if chosen.json:
        told = {
            "card": name,
            "peak": peak,
            "parameters": count,
            "paces": [asdict(p) for p in paces],
        }
        chosen.json.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
