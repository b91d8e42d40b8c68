"""`reasonlab estimate`: what training a model takes: memory by part, time, money."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evaluators.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from reasoning.train.estimate import Memory, Setting, Shape


@dataclass(frozen=True)
class Card:
    """A GPU: dense bf16 operations a second, and bytes of memory, by its data sheet."""

    peak: float
    memory: float


CARDS = {
    "a100-80": Card(312e12, 80e9),
    "h100": Card(989e12, 80e9),
    "h200": Card(989e12, 141e9),
    "l4": Card(121e12, 24e9),
    "l40s": Card(362e12, 48e9),
}  # fmt: skip
WAYS = (("none", False), ("none", True), ("lora", False), ("lora", True), ("qlora", False),
        ("qlora", True))  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab estimate",
        description="Memory, time and money of training: all weights, LoRA, QLoRA, each with"
        " activations kept or computed again. Nothing is trained and no weights are read.",
    )
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--params", type=float, help="weights of a model of usual shape: 7e9")
    made.add_argument("--vocabulary", type=int, default=32_000, help="with --params (32000)")
    which.add_argument("--model", help="a model whose config tells its shape: tiny, hf:PLACE")
    made.add_argument("--rows", type=int, default=1, help="rows a pass on each GPU (1)")
    made.add_argument("--length", type=int, default=2048, help="tokens of a row (2048)")
    made.add_argument("--rank", type=int, default=16, help="rank of the adapters (16)")
    made.add_argument("--optimiser", choices=("adamw", "muon"), default="adamw",
                      help="for all weights; adapters take adamw (adamw)")  # fmt: skip
    made.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16",
                      help="of the matrix products (bfloat16)")  # fmt: skip
    made.add_argument("--tokens", type=float, help="tokens to learn from: adds hours")
    made.add_argument("--card", help=f"the GPU: {', '.join(CARDS)}")
    made.add_argument("--peak", type=float, help="operations a second, for a card not listed")
    made.add_argument("--share", type=float, default=0.4,
                      help="of the peak that training reaches; measure yours (0.4)")  # fmt: skip
    made.add_argument("--gpus", type=int, default=1, help="each holds all of it (1)")
    made.add_argument("--price", type=float, help="of one GPU for an hour: adds money")
    return made


def shape_named(options: argparse.Namespace) -> tuple[Shape, str]:
    """The shape that the options name, and what to call it."""
    from reasoning.train.estimate import shape_of, typical

    if options.params is not None:
        shape = typical(options.params, options.vocabulary)
        return shape, "a usual shape"
    import transformers

    from reasoning.models.weights import located
    from reasoning.train.methods import policy_folder

    place = policy_folder(options.model)
    return shape_of(
        transformers.AutoConfig.from_pretrained(**located(options.model, place, None))
    ), options.model


def checked(options: argparse.Namespace) -> None:
    """Raise BadInput and UnknownName for options that cannot be."""
    for name in ("rows", "length", "rank", "gpus", "vocabulary"):
        if getattr(options, name) < 1:
            raise BadInput(f"--{name} must be 1 or more, not {getattr(options, name)}")
    for name in ("tokens", "peak", "price"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise BadInput(f"--{name} must be above 0, not {value:g}")
    if not 0 < options.share <= 1:
        raise BadInput(f"--share must be above 0 and at most 1, not {options.share:g}")
    if options.card is not None and options.card not in CARDS:
        raise UnknownName("card", options.card, CARDS)
    if options.tokens is not None and options.card is None and options.peak is None:
        raise BadInput("--tokens needs --card or --peak: hours are operations by operations/second")
    if options.price is not None and options.tokens is None:
        raise BadInput("--price needs --tokens: money is hours by their price")


def settings(options: argparse.Namespace) -> list[Setting]:
    """The ways of training that the table compares."""
    from reasoning.train.estimate import Setting

    first = Setting(
        rank=options.rank, half=options.precision == "bfloat16", rows=options.rows,
        length=options.length,
    )  # fmt: skip
    return [
        replace(first, adapter=adapter, checkpointing=again,
                optimiser=options.optimiser if adapter == "none" else "adamw")
        for adapter, again in WAYS
    ]  # fmt: skip


def size(bytes: float) -> str:
    """`1.25 GiB`, `3.1 MiB`."""
    from reasoning.train.estimate import GIB

    if bytes < GIB:
        return f"{bytes / (1 << 20):.1f} MiB"
    return f"{bytes / GIB:.{2 if bytes < 100 * GIB else 0}f} GiB"


def row(how: Setting, took: Memory, shape: Shape, options: argparse.Namespace) -> list[str]:
    """The table's cells of one way."""
    from reasoning.train.estimate import operations

    cells = [how.name, *map(size, (took.weights + took.copies, took.gradients, took.optimiser,
                                   took.activations, took.logits, took.total))]  # fmt: skip
    card = None if options.card is None else CARDS[options.card]
    if card is not None:
        cells.append("yes" if took.total * 1.1 <= card.memory else "no")
    if options.tokens is not None:
        peak = options.peak if card is None or options.peak is not None else card.peak
        flops = operations(shape, how) * options.tokens
        hours = flops / (peak * options.share * options.gpus) / 3600
        cells.append(f"{hours:,.2f}")
        if options.price is not None:
            cells.append(f"{hours * options.gpus * options.price:,.2f}")
    return cells


def table(shape: Shape, options: argparse.Namespace) -> list[list[str]]:
    """The whole table, its head first."""
    from reasoning.train.estimate import memory

    head = ["way", "weights", "gradients", "optimiser", "activations", "logits", "total"]
    head += ["fits"] if options.card is not None else []
    head += ["hours"] if options.tokens is not None else []
    head += ["money"] if options.price is not None else []
    return [head] + [row(how, memory(shape, how), shape, options) for how in settings(options)]


def run(argv: list[str]) -> int:
    """The command. Raises BadInput and UnknownName."""
    options = parser().parse_args(argv)
    checked(options)
    shape, name = shape_named(options)
    print(
        f"{name}: {shape.parameters:,} weights, {shape.layers} layers of {shape.width}, vocabulary"
        f" {shape.vocabulary:,}; {options.rows} x {options.length} tokens a pass,"
        f" {options.precision}"
    )
    rows = table(shape, options)
    widths = [max(len(line[i]) for line in rows) for i in range(len(rows[0]))]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *cells]))
    print("weights: with their bf16 copies; total: all parts at once, allocator and kernels apart")
    if options.tokens is not None:
        where = f"{options.share:.0%} of the peak, {options.gpus} GPU(s)"
        print(f"hours: {options.tokens:g} tokens at {where}")
    return 0
