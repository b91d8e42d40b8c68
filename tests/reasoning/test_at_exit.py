"""A process that ends while its models decode ends well."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest

from evaluators.errors import LabError
from reasoning import Ledger, Message, Prompt, Sampling, SeedPath, load_model
from reasoning.loop import run, start

SCRIPT = """
import atexit, sys, threading

@atexit.register
def last():  # what is registered first is called last
    print([t.name for t in threading.enumerate() if t.name in ("decode", "generate")])

from reasoning import Ledger, Message, Prompt, Sampling, SeedPath, load_model
from reasoning.loop import start

prompt = Prompt((Message("user", "(3+4)*2-5<think>"),))
long = Sampling(400, temperature=50.0, n=8)  # at that heat hardly a text ends
for path in ("batched", "generate"):
    begun, model = threading.Event(), load_model("tiny", decode=path)
    told = lambda *token, begun=begun: begun.set()
    handle = start(model.generate(prompt, long, Ledger(), SeedPath(0), told))
    assert begun.wait(60)
    print(handle.done())
sys.exit(0)
"""


def test_no_thread_is_inside_a_model_when_the_interpreter_goes_away() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "False\nFalse\n[]\n"), done.stderr
    assert "terminate" not in done.stderr and "Traceback" not in done.stderr


def test_a_model_decoded_by_generate_closes_after_its_current_token() -> None:
    model: Any = load_model("tiny", decode="generate")
    begun = threading.Event()
    prompt = Prompt((Message("user", "(3+4)*2-5<think>"),))
    long = Sampling(400, temperature=50.0, n=8)  # at that heat hardly a text ends
    ledger = Ledger()
    handle = start(model.generate(prompt, long, ledger, SeedPath(0), lambda *_: begun.set()))
    assert begun.wait(60)
    model.close()
    with pytest.raises(LabError, match="closed; load it again"):
        handle.result(10)
    assert model.counters.completion < 8 * 400
    assert all(row.lost or row.completion < 400 for row in ledger.rows)


def test_an_idle_thread_of_generate_ends_and_the_next_call_starts_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from reasoning.models.decoding import generate

    monkeypatch.setattr(generate, "IDLE", 0.05)
    model: Any = load_model("tiny", decode="generate")
    prompt = Prompt((Message("user", "(3+4)*2-5<think>"),))
    for _ in range(2):
        run(model.generate(prompt, Sampling(2), Ledger(), SeedPath(0)))
        thread = model._loop._thread
        if thread is not None:
            thread.join(10)
        assert model._loop._thread is None
