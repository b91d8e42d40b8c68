"""Lab 01: temperature and top-p by hand, and a setting of inference for a budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

from labs.exercises.exercise import Case, Exercise

Numbers = Sequence[float]


def nucleus(logits: Numbers, temperature: float, top_p: float) -> list[float]:
    """Probabilities after temperature, then top-p: the smallest set of the likeliest tokens that
    reaches `top_p` is kept, of equals the first, and scaled to sum to 1 (Holtzman et al. 2020)."""
    return _cut(_softmax(logits, temperature), top_p)


def _softmax(logits: Numbers, temperature: float = 1.0) -> list[float]:
    top = max(logits)
    weights = [math.exp((x - top) / temperature) for x in logits]
    return [w / sum(weights) for w in weights]


def _cut(p: Numbers, top_p: float, *, over: bool = True, scaled: bool = True) -> list[float]:
    """top-p of probabilities. `over`: the token that reaches `top_p` is kept, as it should be."""
    kept, reached = set(), 0.0
    for i in sorted(range(len(p)), key=lambda i: -p[i]):
        # What reaches top_p on paper may miss it by a rounding.
        if reached >= top_p - 1e-12 or (not over and reached + p[i] > top_p):
            break
        kept.add(i)
        reached += p[i]
    scale = (reached or 1.0) if scaled else 1.0
    return [x / scale if i in kept else 0.0 for i, x in enumerate(p)]


def _top_p_first(logits: Numbers, temperature: float, top_p: float) -> list[float]:
    kept = [p > 0 for p in _cut(_softmax(logits), top_p)]
    hot = [p * k for p, k in zip(_softmax(logits, temperature), kept, strict=True)]
    return [p / sum(hot) for p in hot]


def _threshold(logits: Numbers, temperature: float, top_p: float) -> list[float]:
    kept = [x if x >= 1 - top_p else 0.0 for x in _softmax(logits, temperature)]
    return [x / (sum(kept) or 1.0) for x in kept]


def _overflowing(logits: Numbers, temperature: float, top_p: float) -> list[float]:
    weights = [math.exp(x / temperature) for x in logits]
    return _cut([w / sum(weights) for w in weights], top_p)


_LOGITS = [2.0, 1.0, 0.0, -1.0]
_SHARES = [math.log(x) for x in (0.1, 0.4, 0.2, 0.3)]
_THREE = [math.log(x) for x in (0.6, 0.3, 0.1)]
_ROOTS = [math.sqrt(x) for x in (0.6, 0.3, 0.1)]

NUCLEUS = Exercise(
    "my_probabilities",
    nucleus,
    [
        Case((_LOGITS, 1.0, 1.0), [x / (1 + math.e + math.e**2 + math.e**3)
              for x in (math.e**3, math.e**2, math.e, 1)],
             "with both off it is the softmax: exp(x) / sum of all exp(x)"),
        Case(([0.0, math.log(3)], 0.5, 1.0), [0.1, 0.9],
             "divide the logits by the temperature before the softmax"),
        Case((_SHARES, 1.0, 0.6), [0.0, 4 / 7, 0.0, 3 / 7],
             "from the likeliest down, keep tokens until top_p is reached; scale what stays to 1"),
        Case((_SHARES, 1.0, 0.05), [0.0, 1.0, 0.0, 0.0], "the likeliest token always stays"),
        Case(([0.0, 0.0, 0.0, 0.0], 1.0, 0.5), [0.5, 0.5, 0.0, 0.0], "of equals the first stay"),
        Case((_THREE, 2.0, 0.85), [x / sum(_ROOTS) for x in _ROOTS],
             "first the temperature, then top-p of what it gave"),
        Case(([1000.0, 1000.0 - math.log(3)], 1.0, 1.0), [0.75, 0.25],
             "exp(1000) is too large: subtract the largest logit first"),
    ],
    {
        "no temperature": lambda logits, t, top_p: nucleus(logits, 1.0, top_p),
        "times temperature": lambda logits, t, top_p: nucleus(logits, 1 / t, top_p),
        "no top-p": lambda logits, t, top_p: nucleus(logits, t, 1.0),
        "top-p first": _top_p_first,
        "not scaled": lambda logits, t, top_p: _cut(_softmax(logits, t), top_p, scaled=False),
        "one too few": lambda logits, t, top_p: _cut(_softmax(logits, t), top_p, over=False),
        "a threshold": _threshold,
        "overflows": _overflowing,
        "greedy": lambda logits, t, top_p: [float(x == max(logits)) for x in logits],
    },
)  # fmt: skip

Setting = tuple[str, int, int, int, float]
"""(format, samples n, max_tokens of each, prompt tokens, accuracy measured)"""

Choice = tuple[str, int, int] | None


def afford(
    rows: Sequence[Setting], dollars: float, tokens: int, per_prompt: float, per_completion: float
) -> Choice:
    """(format, n, max_tokens) of the most accurate setting that surely keeps both caps of a
    question: at most `tokens` generated, at most `dollars` spent. Prices are dollars per million
    tokens; the prompt is read once. Of equally accurate ones the cheaper in dollars; `None` where
    nothing can be paid."""
    return variant()(rows, dollars, tokens, per_prompt, per_completion)


def variant(
    *,
    caps: Sequence[Literal["tokens", "dollars"]] = ("tokens", "dollars"),
    samples: bool = True,
    prompts: Literal["none", "one", "each"] = "one",
    strictly: bool = False,
    best: Callable[[float, float, int], tuple[float, ...]] = lambda a, cost, n: (-a, cost),
) -> Callable[..., Choice]:
    """`afford` as it should be or, with settings, wrong. `best` orders (accuracy, dollars, n)."""

    def choose(
        rows: Sequence[Setting], dollars: float, tokens: int, per_prompt: float, per_token: float
    ) -> Choice:
        payable = []
        for format, n, limit, prompt, accuracy in rows:
            count = n * limit if samples else limit
            read = {"none": 0, "one": prompt, "each": n * prompt}[prompts]
            cost = (read * per_prompt + count * per_token) / 1e6
            spent = {"tokens": count / tokens, "dollars": cost / dollars}
            least = 1 - 1e-9 if strictly else 1 + 1e-9
            if all(spent[cap] <= least for cap in caps):
                payable.append((best(accuracy, cost, n), (format, n, limit)))
        return min(payable)[1] if payable else None

    return choose


_MENU = [
    ("direct", 1, 4, 20, 0.04),
    ("direct", 16, 4, 20, 0.08),
    ("chain", 1, 64, 20, 0.60),
    ("chain", 4, 64, 20, 0.71),
    ("chain", 8, 64, 20, 0.74),
    ("few-shot chain", 1, 64, 400, 0.71),
]
_WORSE = [("chain", 9, 64, 20, 0.5), ("chain", 2, 64, 20, 0.6)]

AFFORD = Exercise(
    "my_setting",
    afford,
    [
        Case((_MENU, 400e-6, 10_000, 1.0, 2.0), ("chain", 1, 64),
             "dollars: (prompt * per_prompt + n * max_tokens * per_completion) / 1e6"),
        Case((_MENU, 1.0, 255, 1.0, 2.0), ("few-shot chain", 1, 64),
             "n samples may generate n * max_tokens: leave out what may pass the token cap"),
        Case((_MENU, 530e-6, 10_000, 1.0, 2.0), ("few-shot chain", 1, 64),
             "0.71 costs 528 or 532 millionths of a dollar: only one of the two can be paid"),
        Case((_MENU, 540e-6, 10_000, 1.0, 2.0), ("few-shot chain", 1, 64),
             "of equally accurate ones take the cheaper in dollars"),
        Case((_MENU, 0.001, 10_000, 20.0, 2.0), ("chain", 4, 64),
             "a long prompt costs too, and it is read once for all samples"),
        Case((_MENU, 1.0, 64, 1.0, 2.0), ("few-shot chain", 1, 64),
             "a setting that costs just the budget can be paid"),
        Case((_MENU, 1.0, 10_000, 1.0, 2.0), ("chain", 8, 64),
             "with enough of both take the most accurate"),
        Case((_MENU, 1.0, 3, 1.0, 2.0), None, "when nothing can be paid there is no choice"),
        Case((_WORSE, 1.0, 900, 1.0, 2.0), ("chain", 2, 64),
             "more samples are not always better: compare accuracies"),
    ],
    {
        "most accurate": variant(caps=()),
        "tokens only": variant(caps=("tokens",)),
        "dollars only": variant(caps=("dollars",)),
        "one sample": variant(samples=False),
        "prompt forgotten": variant(prompts="none"),
        "a prompt each": variant(prompts="each"),
        "strictly below": variant(strictly=True),
        "any of equals": variant(best=lambda accuracy, cost, n: (-accuracy, -n)),
        "most samples": variant(best=lambda accuracy, cost, n: (-n, -accuracy)),
        "cheapest": variant(best=lambda accuracy, cost, n: (cost,)),
        "value for money": variant(best=lambda accuracy, cost, n: (-accuracy / cost,)),
    },
)  # fmt: skip

EXERCISES = (NUCLEUS, AFFORD)
