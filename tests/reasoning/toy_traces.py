"""Traces of a toy task, a policy that has learned nothing, and what a training run left behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from reasoning.core import Message
from reasoning.data.rows import Piece, TraceRow
from reasoning.models.tiny import shape, tokenizer

RNG = np.random.default_rng(0)


def row(n: int, *pieces: Piece) -> TraceRow:
    """A trace of question n."""
    return TraceRow(
        id=f"p/{n}", task="toy", split="train", seed=0, problem={"id": f"p/{n}", "fields": {}},
        instance=f"toy|{n}", messages=(Message("user", f"{n}="),), pieces=pieces, finish="eos",
    )  # fmt: skip


ROWS = [
    row(n, Piece("+".join("1" for _ in range(RNG.integers(1, 12))) + f"\n{n}")) for n in range(40)
]
FORCED = [row(7, Piece("1+1+"), Piece("6+6", "forced"), Piece("+2\n")), row(8, Piece("9\n"))]


def untaught(folder: Path) -> str:
    """A small policy with its tokenizer, in a folder."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    words = tokenizer.build()
    shape.build("student", len(words)).save_pretrained(folder)
    words.save_pretrained(folder)
    return str(folder)


def weights(place: Path) -> dict[str, torch.Tensor]:
    return load_file(place / "model.safetensors")


def same(a: Path, b: Path) -> bool:
    """Whether two folders hold the same weights, bit by bit."""
    one, two = weights(a), weights(b)
    return all(torch.equal(one[name], two[name]) for name in one)


def metrics(folder: Path, name: str = "loss") -> list[float]:
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if line["kind"] == "metrics" and name in line]
