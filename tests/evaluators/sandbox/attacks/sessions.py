"""Attacks over several calls to one child: what is done between calls, or saved up for later."""

from __future__ import annotations

from functools import partial

from attacks.case import Attack, attack, patience
from evaluators.sandbox import Limits

case = partial(attack, "sessions")
LONG = Limits(wall=20.0, cpu=0.4, memory_mb=128)
LOOSE = "ok crashed exception timeout bad_output forbidden memory"

AHEAD = """
import json, os, signal, struct, time

calls = 0

def frame(text):
    body = struct.pack(">I", len(text)) + text.encode()
    return b"R" + struct.pack(">I", len(body)) + body

def attack(world):
    global calls
    calls += 1
    {action}
    return calls
"""


def ahead(name: str, action: str, verdicts: str = LOOSE, calls: int = 3, **more: object) -> Attack:
    """Counts its calls, and does something in each."""
    return case(
        name, AHEAD.format(action=action), verdicts, calls=calls, limits=patience(verdicts), **more
    )


LATER = "signal.signal(signal.SIGALRM, later); signal.setitimer(signal.ITIMER_REAL, 0.01)"

ATTACKS: list[Attack] = [
    ahead("session-counts", "pass", "ok", value=3),
    ahead("session-answers-ahead", "os.write(3, frame('[99,[]]') * 5)"),
    ahead("session-answers-the-second", "calls == 1 and os.write(3, frame('[99,[]]'))"),
    ahead("session-closes-the-channel", "calls == 2 and os.close(3)", "crashed timeout"),
    ahead("session-ends-itself", "calls == 2 and os._exit(0)", "crashed"),
    ahead("session-hangs-in-the-second", "calls == 2 and time.sleep(60)", "timeout"),
    ahead("session-raises-and-goes-on", "if calls == 2: raise ValueError", "ok", value=3),
    ahead(
        "session-floods-between-calls",
        f"later = lambda *_: os.write(3, b'P' + bytes(4) * 9999)\n    {LATER}; time.sleep(0.02)",
    ),
    ahead(
        "session-answers-between-calls",
        f"later = lambda *_: os.write(3, frame('[99,[]]'))\n    {LATER}",
    ),
    ahead(
        "session-ends-between-calls",
        f"later = lambda *_: os._exit(0)\n    {LATER}",
        "crashed ok",
    ),
    ahead(
        "session-never-lets-go",
        "[signal.signal(n, signal.SIG_IGN) for n in range(1, 65) if n not in (9, 19, 32, 33)]\n"
        "    while calls == 3: pass",
        "timeout forbidden",
    ),
    ahead(
        "session-reads-the-next-call",
        "os.set_blocking(3, False)\n    try: os.read(3, 1 << 16)\n    except BlockingIOError: pass",
    ),
    case(
        "session-uses-up-its-time",
        """
        import time

        def attack(world):
            end = time.process_time() + 0.15
            while time.process_time() < end:
                pass
            return 1
        """,
        "timeout",
        calls=9,
        limits=LONG,
    ),
    case(
        "session-uses-up-its-memory",
        """
        held = []

        def attack(world):
            held.append(bytearray(30 << 20))
            return world["breach"] if len(held) > 8 else 1
        """,
        "memory exception",
        calls=9,
        limits=LONG,
    ),
    case(
        "session-prints-in-each-call",
        """
        def attack(world):
            print("x" * 4000)
            return 1
        """,
        "ok bad_output",
        calls=20,
        limits=LONG,
    ),
]
