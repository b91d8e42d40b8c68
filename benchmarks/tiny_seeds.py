"""How much of a card is the seed's luck: the cards of several training runs side by side.

for seed in 1 2 3; do reasonlab pretrain tiny --seed $seed --out runs/tiny-$seed --measure; done
python benchmarks/tiny_seeds.py runs/tiny-1/model runs/tiny-2/model runs/tiny-3/model
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def table(folders: list[Path]) -> str:
    """Markdown: one row a measurement, one column a run. Raises KeyError for different cards."""
    runs = [json.loads((folder / "training.json").read_text()) for folder in folders]
    cards = [json.loads((folder / "card.json").read_text()) for folder in folders]
    values = [
        {(r["what"], r["setting"]): (r["value"], r["n"]) for part in card.values() for r in part}
        for card in cards
    ]
    seeds = [f"seed {run['settings']['seed']}" for run in runs]
    minutes = [f"{run['curve'][-1]['processor_seconds'] / 60:.1f}" for run in runs]
    losses = [f"{run['curve'][-1]['loss']:.3f}" for run in runs]
    lines = [
        f"| what | setting | {' | '.join(seeds)} | n |",
        f"|---|---|{'---|' * len(seeds)}---|",
        f"| processor-minutes | training | {' | '.join(minutes)} | |",
        f"| loss, mean of the last 20 steps | training | {' | '.join(losses)} | |",
    ]
    for (what, setting), (_, n) in values[0].items():
        row = " | ".join(f"{card[what, setting][0]:.3f}" for card in values)
        lines.append(f"| {what} | {setting} | {row} | {n} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders with a card.json")
    print(table(parser.parse_args().folders))
