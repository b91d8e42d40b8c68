"""`reasonlab traces view`: traces as the columns that another tool or a trainer reads."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.errors import BadInput

if TYPE_CHECKING:
    from reasoning.models.encode import Encoder

KINDS = ("messages", "prompt-completion", "preferences", "steps", "labels", "tokens", "rows")


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        "reasonlab traces view",
        description="Write a view of traces: messages with <think>, prompt-completion, preferences,"
        " steps (process labels; labels: as `train reward` keeps them), tokens of one model (what a"
        " teacher's logits are cached for), or whole rows. `learn` tells a model's own text.",
    )
    made.add_argument("files", type=Path, nargs="+", help="traces; preferences: or pairs")
    made.add_argument("--as", dest="kind", choices=KINDS, default="messages")
    made.add_argument("--out", type=Path, required=True, help=".jsonl, .parquet, or a folder")
    made.add_argument("--form", choices=("auto", "chat", "text"), default="auto")
    made.add_argument("--model", help="tokens: whose; an embedded model or hf:NAME")
    made.add_argument("--each", type=int, default=4, help="preferences: most pairs of one prompt")
    return made


def encoder_of(name: str) -> Encoder:
    """The encoder of a local model; its weights are not loaded. Raises BadInput."""
    from transformers import AutoConfig, AutoTokenizer

    from reasoning.models.encode import Encoder
    from reasoning.train.methods import policy_folder

    place = policy_folder(name)
    dialect = getattr(AutoConfig.from_pretrained(place), "reasonlab_dialect", "plain")
    words = AutoTokenizer.from_pretrained(place)
    return Encoder(words, "compact" if dialect == "compact" else "plain", name)


def made_view(given: argparse.Namespace) -> list[dict[str, Any]]:
    """The columns that the options ask for. Raises BadInput and UnknownName."""
    from labs.traces_files import holds_pairs, rows_in, tasks_by_name
    from reasoning.data import pairs
    from reasoning.data.columns import flat
    from reasoning.data.views import view

    if given.kind == "preferences" and holds_pairs(given.files[0]):
        known = [pair for file in given.files for pair in pairs.read(file)]
        return view("preferences", known, form=given.form)
    rows = rows_in(given.files)
    if given.kind == "preferences":
        return view("preferences", pairs.pairs_from(rows, each=given.each), form=given.form)
    if given.kind == "prompt-completion":
        return view(given.kind, rows, form=given.form)
    if given.kind == "steps":
        return view("steps", rows, task=tasks_by_name(rows))
    if given.kind == "tokens":
        if given.model is None:
            raise BadInput("token ids are of one model: name it by --model")
        return view("tokens", rows, encoder=encoder_of(given.model))
    return flat(rows) if given.kind == "rows" else view("messages", rows)


def run(argv: list[str]) -> int:
    """The command."""
    given = parser().parse_args(argv)
    if given.kind == "labels":
        from labs.traces_files import rows_in, tasks_by_name, written
        from reasoning.data.views import labelled
        from reasoning.train import labels

        rows = rows_in(given.files)
        known = labelled(rows, tasks_by_name(rows))
        print(f"{len(known)} labelled traces: {written(labels.save, known, given.out)}")
        return 0
    from reasoning.data.columns import write

    columns = made_view(given)
    print(f"{len(columns)} rows of {', '.join(columns[0]) if columns else 'nothing'}")
    print(f"{given.kind}: {write(columns, given.out)}")
    return 0
