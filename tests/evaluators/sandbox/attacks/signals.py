"""Attacks with signals: deaf candidates, shots at the interpreter, its group, other programs."""

from __future__ import annotations

from functools import partial

from attacks.case import SHORT, Attack, attack
from evaluators.sandbox import Limits

case = partial(attack, "signals")

SHOT = """
import os, signal

def attack(world):
    try:
        os.kill({target}, signal.{signal})
    except OSError as error:
        return str(error)
    return {result}
"""


def shot(name: str, target: str, sign: str, told: bool) -> Attack:
    """A signal to one target; `told`: the call's success alone is a breach."""
    result = 'world["breach"]' if told else "0"
    return case(name, SHOT.format(target=target, signal=sign, result=result))


ATTACKS: list[Attack] = [
    case(
        "masked-signals",
        """
        import signal

        def attack(world):
            signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
            while True:
                pass
        """,
        "timeout forbidden",
        limits=SHORT,
    ),
    case(
        "ignored-signals",
        """
        import signal

        def attack(world):
            for number in range(1, 65):
                try:
                    signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            while True:
                pass
        """,
        "timeout forbidden",
        limits=SHORT,
    ),
    case(
        "handler-of-the-processor-limit",
        """
        import signal

        def attack(world):
            signal.signal(signal.SIGXCPU, lambda *_: None)
            signal.signal(signal.SIGALRM, lambda *_: None)
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            while True:
                pass
        """,
        "timeout forbidden exception",
        limits=SHORT,
    ),
    case(
        "kill-itself",
        """
        import os, signal

        def attack(world):
            signal.raise_signal(signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        "crashed forbidden memory exception ok",
        value=None,
    ),
    case(
        "stop-itself",
        """
        import os, signal

        def attack(world):
            os.kill(os.getpid(), signal.SIGSTOP)
            while True:
                pass
        """,
        "timeout forbidden exception crashed",
        limits=SHORT,
    ),
    case(
        "terminate-itself",
        """
        import signal

        def attack(world):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)
        """,
        "crashed forbidden exception ok",
        value=None,
    ),
    shot("kill-the-parent", "os.getppid()", "SIGKILL", False),
    shot("stop-the-parent", "os.getppid()", "SIGSTOP", False),
    shot("terminate-the-parent", "os.getppid()", "SIGTERM", False),
    shot("disturb-the-parent", "os.getppid()", "SIGCONT", True),
    shot("kill-the-group", "0", "SIGKILL", False),
    shot("disturb-everything", "-1", "SIGURG", True),
    shot("kill-the-supervisor", 'world["supervisor"]', "SIGKILL", False),
    shot("kill-a-bystander", 'world["bystander"]', "SIGKILL", False),
    shot("disturb-a-bystander", 'world["bystander"]', "SIGUSR1", False),
    case(
        "kill-by-group-call",
        """
        import os, signal

        def attack(world):
            os.killpg(os.getpgrp(), signal.SIGKILL)
        """,
    ),
    case(
        "kill-the-first-process",
        """
        import os, signal

        def attack(world):
            for pid in (1, 2, 3, 4):
                try:
                    os.kill(pid, 0)
                    if pid != os.getpid():
                        os.kill(pid, signal.SIGCONT)
                except OSError:
                    continue
                return world["breach"] + str(pid)
        """,
    ),
    case(
        "signal-by-descriptor",
        """
        import os, signal

        def attack(world):
            for pid in (os.getppid(), world["bystander"], world["supervisor"]):
                try:
                    fd = os.pidfd_open(pid)
                    signal.pidfd_send_signal(fd, signal.SIGURG)
                except OSError:
                    continue
                return world["breach"] + str(pid)
        """,
    ),
    case(
        "signal-by-ownership",
        """
        import fcntl, os, signal

        def attack(world):
            for fd in range(64):
                for pid in (os.getppid(), world["bystander"], world["supervisor"], -os.getpgrp()):
                    try:
                        fcntl.fcntl(fd, fcntl.F_SETOWN, pid)
                        fcntl.fcntl(fd, 10, int(signal.SIGKILL))
                        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
                        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_ASYNC)
                    except OSError:
                        continue
                    if fcntl.fcntl(fd, fcntl.F_GETOWN) == pid:
                        return world["breach"] + str((fd, pid))
        """,
    ),
    case(
        "signal-by-ownership-of-a-pipe",
        """
        import fcntl, os, signal

        def attack(world):
            got = []
            for pid in (os.getppid(), world["bystander"], world["supervisor"]):
                r, w = os.pipe()
                try:
                    fcntl.fcntl(r, fcntl.F_SETOWN, pid)
                    fcntl.fcntl(r, 10, int(signal.SIGUSR1))
                    fcntl.fcntl(r, fcntl.F_SETFL, os.O_ASYNC)
                    os.write(w, b"x")
                except OSError:
                    continue
                if fcntl.fcntl(r, fcntl.F_GETOWN) == pid:
                    got.append(pid)
            return got and world["breach"] + str(got)
        """,
    ),
    case(
        "disarm-the-stopwatch",
        """
        import ctypes, signal, struct

        def attack(world):
            call = ctypes.CDLL(None, use_errno=True).syscall
            for timer in range(8):
                call(226, timer)
                call(223, timer, 0, struct.pack("<4q", 0, 0, 900, 0), None)
            signal.signal(signal.SIGXCPU, signal.SIG_IGN)
            while True:
                pass
        """,
        "timeout forbidden",
        limits=Limits(wall=20.0, cpu=0.25),
        machine="x86_64",
    ),
    case(
        "death-signal-of-the-parent",
        """
        import ctypes, os, signal

        def attack(world):
            libc = ctypes.CDLL(None, use_errno=True)
            libc.prctl(1, int(signal.SIGCONT))
            libc.prctl(36, 1)
            while True:
                pass
        """,
        "timeout forbidden exception",
        limits=SHORT,
    ),
    case(
        "timer-storm",
        """
        import signal

        def attack(world):
            count = 0
            def tick(*_):
                nonlocal count
                count += 1
            signal.signal(signal.SIGALRM, tick)
            signal.setitimer(signal.ITIMER_REAL, 1e-6, 1e-6)
            while True:
                pass
        """,
        "timeout forbidden exception",
        limits=SHORT,
    ),
]
