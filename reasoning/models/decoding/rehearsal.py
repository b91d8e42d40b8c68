"""Try the batched loop on a model before trusting it: every move, against plain forward passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from reasoning.models.decoding.batched import BatchedStepper, accepted
from reasoning.models.quantise import stored

TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.2}
"""Largest difference of two logits that count as equal, in standard deviations of the logits."""


def unbatched(model: Any, stepper: BatchedStepper) -> str | None:
    """Why the batched loop does not serve this model, or `None`.

    The loop is tried: two rows of unequal length, a third that joins them, one that leaves, one
    that continues a prefix, one whose last token is taken back for others; every distribution is
    compared with a plain forward pass.
    """
    missing = {"attention_mask", "past_key_values"} - accepted(model)
    if missing:
        return f"its forward pass takes no {' and no '.join(sorted(missing))}"
    try:
        worst = rehearsed(model, stepper)
    except Exception as error:  # whatever an unknown architecture raises is the reason
        said = (str(error).strip().splitlines() or [""])[0][:200]
        return f"a rehearsal failed: {type(error).__name__}: {said}"
    finally:
        stepper.reset()
    limit = TOLERANCE.get(model.dtype, 0.2) if not stored(model) else 0.2
    if not worst <= limit:  # a nan is no agreement
        return f"in a rehearsal its logits differ by {worst:.2g} deviations from a plain pass"
    return None


def rehearsed(model: Any, stepper: BatchedStepper) -> float:
    """Run the loop's moves; the largest difference from plain forward passes, in deviations."""
    vocabulary = min(stepper.vocabulary, 1000)

    def line(length: int, start: int) -> list[int]:
        return [(start + 31 * i * i + 17 * i) % vocabulary for i in range(length)]

    texts = {0: line(5, 3), 1: line(9, 5)}
    stepper.join(list(texts), list(texts.values()), [8] * len(texts))
    worst = apart(model, stepper, texts)
    feed(stepper, texts, 11)
    joining = {2: line(3, 7), 3: [*texts[1], *line(2, 13)]}
    stepper.join(list(joining), list(joining.values()), [8] * len(joining))
    texts |= joining
    worst = max(worst, apart(model, stepper, texts))
    stepper.leave([1], [[]])
    del texts[1]
    feed(stepper, texts, 19)
    worst = max(worst, apart(model, stepper, texts))
    start, more = len(texts[2]) - 1, line(3, 23)
    stepper.extend([2], [start], [more])
    texts[2][start:] = more
    return max(worst, apart(model, stepper, texts))


def feed(stepper: BatchedStepper, texts: dict[int, list[int]], start: int) -> None:
    """One more token for every row."""
    ids = [(start + row) % min(stepper.vocabulary, 1000) for row in texts]
    for text, token in zip(texts.values(), ids, strict=True):
        text.append(token)
    stepper.advance(np.array(list(texts)), np.array(ids))


@torch.inference_mode()
def apart(model: Any, stepper: BatchedStepper, texts: dict[int, list[int]]) -> float:
    """The largest difference of a row's logits from a plain pass over its text."""
    worst = 0.0
    for row, text in texts.items():
        plain = model(input_ids=torch.tensor([text], device=stepper.device)).logits[0, -1].float()
        gap = (stepper.logits([row])[0] - plain).abs().max() / plain.std()
        worst = max(worst, float(gap)) if gap == gap else float("nan")
        if worst != worst:
            break
    return worst
