"""treequest on a served model: python served_treequest.py KIND URL PROBLEMS ANSWERS TOKENS.

treequest has no model: it calls a function that takes a parent's state and returns a new one with
its score. Here it draws from the server until TOKENS are generated (the last call is shortened),
as this project's ledger does. KIND is

- ab-mcts-answers: ABMCTSA over whole answers, scored by the verifier. A refinement goes on from
  before the first step at which the score of the steps falls (a random one where it never does);
- ab-mcts-steps, mcts-steps: ABMCTSA and StandardMCTS over steps, scored as steps are. An
  answer that is chosen for expansion cannot be continued: another one is drawn from the question.

The answer is the finished text of the highest score, the first of equals.
"""

import http.client
import json
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import numpy as np
import treequest as tq  # pyright: ignore[reportMissingImports]
from judged import TEMPERATURE, Set, write

AT_ONCE = 32
END = "</think>"


class Spent(Exception):
    """All tokens are generated."""


class Served:
    """Completions of one problem, until the tokens are spent."""

    def __init__(self, url: str, question: str, tokens: int) -> None:
        self.url, self.question, self.left = urlsplit(url), question, tokens
        self.calls = self.tokens = 0
        self.connection = http.client.HTTPConnection(self.url.netloc, timeout=600)

    def draw(self, before: str, length: int, stop: str | None) -> tuple[str, bool]:
        """What follows `before`, and whether it ended by itself."""
        if self.left < 1:
            raise Spent
        messages = [{"role": "user", "content": self.question}]
        body = {"model": "tiny", "temperature": TEMPERATURE, "max_tokens": min(length, self.left)}
        if before:
            messages.append({"role": "assistant", "content": before})
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        if stop:
            body |= {"stop": stop, "include_stop_str_in_output": True}
        said = json.dumps({**body, "messages": messages})
        header = {"Content-Type": "application/json"}
        self.connection.request("POST", f"{self.url.path}/chat/completions", said, header)
        answer = self.connection.getresponse()
        found = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(found)
        used = found["usage"]["completion_tokens"]
        self.calls, self.tokens, self.left = self.calls + 1, self.tokens + used, self.left - used
        text = found["choices"][0]["message"]["content"] or ""
        ended = found["choices"][0]["finish_reason"] == "stop" and not (stop and stop in text)
        return text, ended


def solve(kind: str, url: str, data: Set, problem, tokens: int) -> dict:
    """One problem."""
    served, ends = Served(url, data.question(problem), tokens), []
    rng = random.Random(problem.id)

    def by_steps(state):
        before = "" if state is None or state[1] else state[0]
        more, ended = served.draw(before, data.step, "\n")
        text = before + more
        score = data.steps(problem, text)
        if ended:
            ends.append((score, text))
        return (text, ended), score

    def by_answers(state):
        kept = ""
        if state is not None:
            lines = state[0].splitlines(keepends=True)
            heads = ["".join(lines[:at]) for at in range(len(lines) + 1)]
            bad = [at for at in range(len(lines)) if data.steps(problem, heads[at + 1]) < 1.0]
            kept = heads[bad[0] if bad else rng.randrange(max(1, len(lines)))]
        more, ended = served.draw(kept, data.length, None)
        text = kept + more
        score = data.whole(problem, text) if ended else 0.0
        if ended:
            ends.append((score, text))
        return (text, ended), score

    algorithm = tq.StandardMCTS() if kind == "mcts-steps" else tq.ABMCTSA()
    function = by_answers if kind == "ab-mcts-answers" else by_steps
    state = algorithm.init_tree()
    try:
        while True:
            state = algorithm.step(state, {"draw": function}, inplace=True)
    except Spent:
        pass
    best = max(ends, key=lambda end: end[0], default=(0.0, ""))
    return {"id": problem.id, "text": best[1], "tokens": served.tokens, "calls": served.calls}


def main() -> None:
    """All problems, so many at a time."""
    kind, url, problems, answers, tokens = sys.argv[1:6]
    data = Set.read(problems)
    np.random.seed(0)  # noqa: NPY002 (its Thompson sampling draws from numpy's global state)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = pool.map(lambda p: solve(kind, url, data, p, int(tokens)), data.problems)
        write(answers, list(rows))


if __name__ == "__main__":
    main()
