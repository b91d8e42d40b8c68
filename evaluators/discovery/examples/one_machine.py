"""One machine, many jobs: in which order?

Every job has a length and a weight, and costs its weight times the moment at which it is done.
`urgency` rates the jobs; they run in the order of falling urgency. Smith (1956) proved what is
best, so the score can be read against it: 0 percent above the optimum.
"""

import numpy as np

from evaluators.discovery import evolve

DIRECTION = "minimise"
JOBS = 40


@evolve
def urgency(length: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """How urgent jobs are. length, weight: arrays of equal size. Returns an array of numbers."""
    return 0 * length


def solve(instance: dict) -> list:
    """The order of the jobs, as their numbers. Runs in the sandbox."""
    length, weight = np.array(instance["length"]), np.array(instance["weight"])
    rated = np.broadcast_to(urgency(length, weight), length.shape)
    return np.argsort(-rated, kind="stable").tolist()


def cost(instance: dict, order: list) -> float:
    """The sum of weight times end over the jobs."""
    length, weight = np.array(instance["length"])[order], np.array(instance["weight"])[order]
    return float((weight * np.cumsum(length)).sum())


def score(instance: dict, order: list) -> float:
    """Percent above the best order there is. Trusted: never enters the sandbox."""
    jobs = range(len(instance["length"]))
    if sorted(order) != list(jobs):
        raise ValueError("an order names every job once")
    ratios = [w / n for n, w in zip(instance["length"], instance["weight"], strict=True)]
    best = sorted(jobs, key=lambda job: -ratios[job])
    return 100.0 * (cost(instance, order) / cost(instance, best) - 1.0)


def draw(seed: int, many: int) -> list:
    """Instances by seed, as plain data."""
    rng = np.random.default_rng(seed)
    return [
        {
            "length": rng.integers(1, 100, JOBS).tolist(),
            "weight": rng.integers(1, 20, JOBS).tolist(),
        }
        for _ in range(many)
    ]


train, validation, held_out = draw(1, 6), draw(2, 6), draw(3, 30)

baselines = {
    "heaviest first": "def urgency(length, weight):\n    return weight\n",
    "shortest first": "def urgency(length, weight):\n    return -length\n",
    "smith": "def urgency(length, weight):\n    return weight / length\n",
}
