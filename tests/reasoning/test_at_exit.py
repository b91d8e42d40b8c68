"""A process that ends while its models decode ends well."""

from __future__ import annotations

import subprocess
import sys

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
