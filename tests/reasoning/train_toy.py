"""Fine-tune the toy policy on the toy traces: `python train_toy.py POLICY FOLDER STEPS`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from toy_traces import ROWS

from reasoning.train.sft import SFTRecipe, train_sft

if __name__ == "__main__":
    policy, folder, steps = sys.argv[1:]
    recipe = SFTRecipe(batch=8, steps=int(steps), lr=1e-3, save_every=4)
    train_sft(ROWS, policy, Path(folder), recipe)
