"""The warm interpreter: locked down once, it forks one child for each candidate.

Runs inside, as a program of its own, from sources that the supervisor sends. It obeys the control
socket alone and reads nothing that a candidate writes: a call and its answer go through a socket
that is made for one child and passed on unread, so no candidate's source, arguments or answer is
left here for the next. It ends when the supervisor closes the socket or dies.
"""

from __future__ import annotations

import gc
import importlib
import mmap
import os
import random
import resource
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Any, NoReturn

from evaluators.sandbox import child, lockdown
from evaluators.sandbox.wire import FORK, KILL, NOT_FORKED, QUIT, REQUEST, STATUS, USAGE

_DESCRIPTORS = 256  # the interpreter never has more open than this
_STEP = 1 << 16  # bytes, how finely its own memory is measured


def main(control: int, supervisor: int, config: dict[str, Any]) -> NoReturn:
    """Lock down as `config` says, answer `ready` on the control socket, and serve it."""
    control, supervisor = _settle(control, supervisor)
    sys.path += config["path"]
    lockdown.enter(config)
    name = "the source to run first"
    try:
        exec(compile(config["before"], "<before>", "exec"), {"__name__": "before"})
        for name in config["preload"]:
            importlib.import_module(name)
    except Exception as error:
        sys.exit(f"preload: {name}: {type(error).__name__}: {error}")
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed(0)
    lockdown.limit(resource.RLIMIT_CORE, 0)
    lockdown.limit(resource.RLIMIT_FSIZE, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warm = Warm(control, supervisor, config)
    lockdown.filter_calls(config["outer"])
    child.rehearse()
    os.dup2(1, 2)  # complaints went to the supervisor; from here on to nobody
    gc.collect()
    gc.freeze()
    warm.serve()


def _settle(*descriptors: int) -> list[int]:
    """Move `descriptors` (-1: none) to the lowest free numbers and close all others but 0, 1, 2;
    from here on none can have a number so high that a child would not close it."""
    low = [os.dup(fd) if fd >= 0 else fd for fd in descriptors]
    kept = {0, 1, 2, *low}
    for fd in {*range(3, _DESCRIPTORS), *descriptors} - kept:
        with suppress(OSError):
            os.close(fd)
    if max(low) >= _DESCRIPTORS:
        sys.exit("warm: too many descriptors were passed on")
    lockdown.limit(resource.RLIMIT_NOFILE, _DESCRIPTORS)
    return low


class Warm:
    """The state of the loop: the control socket, who is watched, how children are confined."""

    def __init__(self, control: int, supervisor: int, config: dict[str, Any]) -> None:
        self.control = socket.socket(fileno=control)
        self.supervisor = supervisor
        self.split = lockdown.forker()
        self.stopwatch = lockdown.Stopwatch(config["timer"])
        self.inner = lockdown.prepare(config["inner"])
        self.sweep: str = config["sweep"]  # none, group, namespace
        self.child = 0
        self.own_memory = address_space()
        self.poll = select.poll()
        self.poll.register(control, select.POLLIN)
        if supervisor >= 0:
            self.poll.register(supervisor, select.POLLIN)

    def serve(self) -> NoReturn:
        """Obey requests until the supervisor goes."""
        self.control.sendall(STATUS.pack(0, 0, *lockdown.spent(), self.own_memory >> 10))
        while True:
            self.wait(None)
            request, channel = self.receive()
            if request[0] == FORK:
                self.fork(request, channel)
            elif request[0] == USAGE:
                self.control.sendall(STATUS.pack(request[1], 0, *lockdown.spent(), 0))

    def wait(self, timeout: float | None) -> list[int]:
        """The descriptors that have something to read; ends the process if the supervisor died."""
        ready = [fd for fd, _ in self.poll.poll(timeout)]
        if self.supervisor in ready:
            self.leave()
        return ready

    def receive(self) -> tuple[Any, int]:
        """One request and the descriptor that came with it, or -1."""
        data, fds, _, _ = socket.recv_fds(self.control, REQUEST.size, 1)
        while data and len(data) < REQUEST.size:
            data += self.control.recv(REQUEST.size - len(data))
        request = REQUEST.unpack(data) if data else (QUIT,)
        if request[0] == QUIT:
            self.leave()
        return request, fds[0] if fds else -1

    def leave(self) -> NoReturn:
        """End, and everything that was forked with it."""
        if self.child:
            os.kill(self.child, signal.SIGKILL)
            self.sweep_after(self.child)
        os._exit(0)

    def sweep_after(self, pid: int) -> None:
        """End what the child may have left behind."""
        with suppress(ProcessLookupError, PermissionError):
            if self.sweep == "namespace":
                os.kill(-1, signal.SIGKILL)
            elif self.sweep == "group":
                os.killpg(pid, signal.SIGKILL)

    def fork(self, request: Any, channel: int) -> None:
        """One child from fork to wait4; tells the supervisor how it ended."""
        _, serial, cpu, memory, descriptors, printed, output = request
        try:
            pid = self.split()
        except OSError:
            os.close(channel)
            self.control.sendall(STATUS.pack(serial, NOT_FORKED, 0.0, 0.0, 0))
            return
        if pid == 0:
            try:
                self.confine(channel, cpu, memory, descriptors)
                child.run(printed, output)
            finally:
                os._exit(111)
        self.child = pid
        os.close(channel)
        self.watch(pid, serial)
        self.sweep_after(pid)  # while the dead child still holds its number
        _, status, usage = os.wait4(pid, 0)
        self.child = 0
        with suppress(ChildProcessError):
            while self.sweep != "none":
                os.waitpid(-1, 0)
        self.control.sendall(
            STATUS.pack(serial, status, usage.ru_utime, usage.ru_stime, usage.ru_maxrss)
        )

    def confine(self, channel: int, cpu: float, memory: int, descriptors: int) -> None:
        """In the child: its channel and no other descriptor, its limits, its filter."""
        if channel != child.CHANNEL:
            os.dup2(channel, child.CHANNEL, inheritable=False)
        os.closerange(child.CHANNEL + 1, _DESCRIPTORS)
        if self.sweep == "group":
            os.setpgid(0, 0)
        if self.own_memory:
            lockdown.limit(resource.RLIMIT_AS, self.own_memory + memory)
        lockdown.limit(resource.RLIMIT_NOFILE, descriptors)
        lockdown.limit(resource.RLIMIT_NPROC, 0)
        random.seed(0)
        self.stopwatch.start(cpu)
        lockdown.install(self.inner)

    def watch(self, pid: int, serial: int) -> None:
        """Wait for the child to end, and kill it if the supervisor says so."""
        ended = lockdown.open_pid(pid)
        if ended >= 0:
            self.poll.register(ended, select.POLLIN)
        try:
            while True:
                ready = self.wait(None if ended >= 0 else 2)
                if ended in ready or (ended < 0 and _has_ended(pid)):
                    return
                if self.control.fileno() in ready:
                    request, _ = self.receive()
                    if request[0] == KILL and request[1] == serial:
                        os.kill(pid, signal.SIGKILL)
        finally:
            if ended >= 0:
                self.poll.unregister(ended)
                os.close(ended)


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def address_space() -> int:
    """Bytes of address space in use, found by what limit still lets a page be mapped.

    /proc would say it at once, but is not there inside. 0 elsewhere than on Linux, where this
    limit means something else: memory is not limited there.
    """
    if not sys.platform.startswith("linux"):
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    low, high = 0, 1 << 44 if hard == resource.RLIM_INFINITY else hard
    while high - low > _STEP:
        middle = (low + high) // 2
        try:
            resource.setrlimit(resource.RLIMIT_AS, (middle, hard))
            mmap.mmap(-1, mmap.PAGESIZE).close()
            high = middle
        except OSError:
            low = middle
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return high
