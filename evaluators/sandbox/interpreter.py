"""The trusted end of one warm interpreter: start it, fork children in it, end it for certain."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluators.errors import LabError
from evaluators.sandbox import places
from evaluators.sandbox.outcome import Limits
from evaluators.sandbox.wire import FORK, KILL, NOT_FORKED, QUIT, REQUEST, STATUS, USAGE

START_SECONDS = 60.0  # a loaded machine, a slow disk
ANSWER_SECONDS = 5.0
"""How long the warm interpreter may take to obey before everything is ended."""
_FOLDER = Path(__file__).parent
_INSIDE = ("wire", "plain", "codec", "landlock", "lockdown", "child", "warm")
_BOOT = """
import json, os, sys
control, supervisor = int(sys.argv[1]), int(sys.argv[2])
def read(size):
    data = b""
    while len(data) < size:
        part = os.read(control, size - len(data))
        if not part:
            os._exit(0)
        data += part
    return data
boot = json.loads(read(int.from_bytes(read(4), "big")))
package = None
for name in ("evaluators", "evaluators.sandbox", *boot["sources"]):
    module = type(sys)(name)
    sys.modules[name] = module
    if name.count(".") == 2:
        exec(compile(boot["sources"][name], "<" + name + ">", "exec"), module.__dict__)
        setattr(package, name.rsplit(".")[-1], module)
    else:
        package = module
module.main(control, supervisor, boot["config"])
"""


class SandboxDied(Exception):
    """The warm interpreter ended or does not answer. The text says what is known."""


class CannotStart(LabError):
    """The warm interpreter does not start. The text is its last complaint."""


@dataclass(frozen=True)
class Plan:
    """How to start an interpreter: the command that Python's own arguments are appended to (empty:
    none), the configuration that it gets, and what the back-end is called."""

    backend: str
    config: dict[str, Any] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How a child ended, from wait4: the wait status, processor seconds, peak kB."""

    status: int
    cpu: float
    peak_kb: int


class Interpreter:
    """One warm interpreter in its own process; at most one child at a time."""

    def __init__(self, plan: Plan) -> None:
        self.owner = os.getpid()
        self.serial = 0
        self.live = False
        self.control, theirs = socket.socketpair()
        watcher = os.pidfd_open(self.owner) if hasattr(os, "pidfd_open") else -1
        try:
            self.process = self._spawn(plan, theirs.fileno(), watcher)
        except OSError as error:
            self.control.close()
            raise CannotStart(f"{plan.prefix[0] if plan.prefix else 'python'}: {error}") from None
        finally:
            theirs.close()
            if watcher >= 0:
                os.close(watcher)
        try:
            self.control.settimeout(START_SECONDS)
            boot = json.dumps({"sources": _sources(), "config": plan.config}).encode()
            self.control.sendall(len(boot).to_bytes(4, "big") + boot)
            ready = STATUS.unpack(self._exactly(STATUS.size))
            self.own_kb = ready[4]
        except (OSError, EOFError):
            self.end()
            raise CannotStart(self._complaint()) from None
        finally:
            self._close_complaints()

    def _spawn(self, plan: Plan, control: int, watcher: int) -> subprocess.Popen[bytes]:
        command = [*plan.prefix, places.python(), "-s", "-S", "-P", "-B", "-X", "utf8", "-c", _BOOT]
        return subprocess.Popen(
            [*command, str(control), str(watcher)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[fd for fd in (control, watcher) if fd >= 0],
            start_new_session=True,
            env=_ENVIRONMENT,
            cwd="/",
        )

    def fork(self, limits: Limits) -> socket.socket:
        """Have a child forked; returns the supervisor's end of the child's own channel.

        Raises SandboxDied.
        """
        self.serial += 1
        mine, theirs = socket.socketpair()
        request = REQUEST.pack(
            FORK,
            self.serial,
            limits.cpu,
            limits.memory_mb << 20,
            limits.descriptors,
            limits.printed_bytes,
            limits.output_bytes,
        )
        try:
            socket.send_fds(self.control, [request], [theirs.fileno()])
        except OSError as error:
            mine.close()
            raise SandboxDied(f"the interpreter is gone: {error}") from None
        finally:
            theirs.close()
        self.live = True
        mine.setblocking(False)
        return mine

    def kill_child(self) -> Ended:
        """End the live child and return how it ended. Raises SandboxDied."""
        try:
            self.control.sendall(REQUEST.pack(KILL, self.serial, 0, 0, 0, 0, 0))
        except OSError as error:
            raise SandboxDied(f"the interpreter is gone: {error}") from None
        return self.ended()

    def usable(self) -> bool:
        """Whether this process started it and it has not ended."""
        return self.owner == os.getpid() and self.process.poll() is None

    def ended_within(self, seconds: float) -> Ended | None:
        """How the live child ended, or None if it still runs after `seconds`."""
        if not _readable(self.control.fileno(), max(0.0, seconds)):
            return None
        return self.ended()

    def ended(self) -> Ended:
        """Wait until the live child has ended. Raises SandboxDied."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                self.control.settimeout(max(0.001, deadline - time.monotonic()))
                serial, status, user, system, peak = STATUS.unpack(self._exactly(STATUS.size))
            except (OSError, EOFError) as error:
                raise SandboxDied(f"the interpreter does not answer: {error}") from None
            if serial == self.serial:
                self.live = False
                if status == NOT_FORKED:
                    raise SandboxDied("the system refuses one more process")
                return Ended(status, user + system, peak)

    def spent(self) -> float:
        """Processor seconds of the interpreter and of every child that has ended."""
        self.control.settimeout(ANSWER_SECONDS)
        self.control.sendall(REQUEST.pack(USAGE, self.serial, 0, 0, 0, 0, 0))
        _, _, user, system, _ = STATUS.unpack(self._exactly(STATUS.size))
        return user + system

    def end(self) -> None:
        """End the interpreter and everything in it; in a forked copy, let go of it only."""
        if os.getpid() != self.owner:
            self.control.close()
            return
        with contextlib.suppress(OSError):
            self.control.settimeout(1.0)
            self.control.sendall(REQUEST.pack(QUIT, 0, 0, 0, 0, 0, 0))
        self.control.close()
        try:
            self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._kill_all()
            self.process.wait()

    def _kill_all(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.control.recv(size - len(data))
            if not part:
                raise EOFError("it ended")
            data += part
        return data

    def _complaint(self) -> str:
        stderr = self.process.stderr
        assert stderr is not None
        text = b""
        while len(text) < 1 << 16 and _readable(stderr.fileno(), 0.2):
            part = os.read(stderr.fileno(), 1 << 14)
            if not part:
                break
            text += part
        lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines()]
        said = next((line for line in reversed(lines) if line), "")
        return said[:400] or f"it ended with status {self.process.returncode} and said nothing"

    def _close_complaints(self) -> None:
        if self.process.stderr is not None:
            self.process.stderr.close()


def _readable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()  # unlike select, for descriptors above 1023 too
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",  # the order of a set must not differ from one start to the next
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")},
}


def _sources() -> dict[str, str]:
    return {f"evaluators.sandbox.{name}": (_FOLDER / f"{name}.py").read_text() for name in _INSIDE}
