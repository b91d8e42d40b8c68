"""The program inside the judge's process: reads traces, tells what they earn.

Started by file path by `judge.py`. The first line in holds the module path and, pickled by the
process that started this one, tasks and reward; every other line is one trace as JSON, answered by
one line of JSON. What a judge raises is told, and the next trace is judged. A trace that takes far
too long ends the process, for the case that the parent has died and nobody kills it.
"""

from __future__ import annotations

import base64
import json
import math
import os
import pickle
import signal
import sys
from importlib import import_module
from typing import Any


def judged(tasks: Any, reward: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """The reply to one trace."""
    from evaluators.problem import Problem
    from reasoning.train.rewards import sound, verifier

    task, problem = tasks[asked["task"]], Problem(**asked["problem"])
    text, finish = asked["text"], asked["finish"]
    try:
        earned = None if reward is None else reward(task, problem, text, finish)
        number = None if earned is None else float(earned)
        if number is not None and not math.isfinite(number):
            return {"error": f"a reward of {number} is nothing to learn from"}
        right = bool(verifier(task, problem, text, finish))
        return {
            "reward": number,
            "right": right,
            "sound": right and bool(sound(task, problem, text, finish)),
            "answer": task.extract(text) if finish == "eos" else None,
        }
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error)[:300]}"}


def main() -> None:
    """Serve until stdin closes."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # nothing that a judge prints may pass for a reply
    first = json.loads(sys.stdin.readline())
    sys.path[:] = first["path"]
    try:
        import_module("reasoning.train.rewards")  # now, not in the first trace's time
        tasks, reward = pickle.loads(base64.b64decode(first["judges"]))
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error)[:300]}"
        print(json.dumps({"ready": False, "reason": reason}), file=replies, flush=True)
        return
    print(json.dumps({"ready": True}), file=replies, flush=True)
    for line in sys.stdin:
        _alarm(3.0 * first["seconds"] + 60.0)
        reply = judged(tasks, reward, json.loads(line))
        _alarm(0.0)
        print(json.dumps(reply), file=replies, flush=True)


def _alarm(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


if __name__ == "__main__":
    main()
