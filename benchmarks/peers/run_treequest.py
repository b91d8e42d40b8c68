"""treequest's searches on the toy of `steps.py`: python run_treequest.py ALGORITHM COUNT SECONDS.

ALGORITHM is mcts or ab-mcts; with `-inplace` after it the state is changed in
place, without it copied at every step, as the package's README calls it. It stops after COUNT steps
or after SECONDS. Nothing is logged. Prints one line of JSON.
"""

import itertools
import random
import sys

import treequest as tq  # pyright: ignore[reportMissingImports]
from steps import CHOICES, Clock, line, value

MAKERS = {
    "mcts": tq.StandardMCTS,
    "ab-mcts": tq.ABMCTSA,
    "tree-of-thoughts": tq.TreeOfThoughtsBFSAlgo,
}


def main() -> None:
    """Step until the count or the time is reached."""
    name, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    kind, _, inplace = name.partition("-inplace")
    inplace = name.endswith("-inplace")
    rng, calls = random.Random(0), itertools.count(1)
    sys.setrecursionlimit(100_000)

    def generate(before: str | None) -> tuple[str, float]:
        text = before or ""
        next(calls)
        text += line(rng.randrange(CHOICES), text.count("\n"))
        return text, value(text)

    algorithm = MAKERS[kind]()
    state = algorithm.init_tree()
    clock, made = Clock([count * part // 10 for part in range(1, 11)]), 0
    while made < count and clock._since()[0] < seconds:
        state = algorithm.step(state, {"step": generate}, inplace=inplace)
        made += 1
        clock.at(made)
    clock.tell(made, nodes=len(algorithm.get_state_score_pairs(state)))


if __name__ == "__main__":
    main()
