"""The world outside a sandbox: secrets to steal, files to spoil, listeners, a bystander to kill.

Everything here is open to every program of the machine: only the sandbox stands before it. What
a candidate did to it is looked at from outside, by `intrusions`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

BYSTANDER = """
import ctypes, os, signal
libc = ctypes.CDLL(None)
libc.prctl(0x59616D61, ctypes.c_ulong(-1))  # any program of this user may trace it
libc.prctl(1, 9)  # it ends with its parent
for number in range(1, 65):
    try:
        signal.signal(number, lambda n, _: os.write(1, bytes([n])))
    except (OSError, ValueError):
        pass
os.write(1, b"\\0")
while True:
    signal.pause()
"""
WATCHED = ("/tmp", "/var/tmp", "/dev/shm")
HEARD = ("SIGURG", "SIGIO", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGTERM", "SIGHUP")
PATIENCE = 3.0
"""Seconds that processes of a candidate may take to disappear."""


class World:
    """Make it before the sandbox, in the process that drives the sandbox. Linux only."""

    def __init__(self) -> None:
        word = secrets.token_hex(8)
        self.mark, self.breach = f"mark-{word[:8]}", f"breach-{word[8:]}"
        self.secret = f"canary-{secrets.token_hex(8)}"
        self._heard: list[str] = []
        self._socks: dict[str, socket.socket] = {}
        self._folder = Path(tempfile.mkdtemp(prefix=f"{self.mark}-world-"))
        self._folder.chmod(0o755)
        self._make_files()
        self._make_listeners()
        self._memory = self._told("memory").encode()
        os.environ["CANARY"] = self._told("environment")
        os.environ["HOME"] = str(self._folder / "home")
        os.chdir(self._folder / "cwd")
        for path in (self._secrets[0], self._folder / "cwd"):
            os.set_inheritable(os.open(path, os.O_RDONLY), True)
        ctypes.CDLL(None).prctl(36, 1)  # orphans of this process's children become its own
        self._make_bystander()
        for name in HEARD:
            signal.signal(getattr(signal, name), lambda n, _: self._heard.append(f"signal {n}"))
        self._tree, self._names = self._digest(), self._marked()
        self._processes = self._open = 0

    def _told(self, place: str) -> str:
        return f"{self.secret}-is-in-{place}"

    def _make_files(self) -> None:
        for name in ("home/.ssh", "cwd", "drop"):
            (self._folder / name).mkdir(parents=True)
        (self._folder / "drop").chmod(0o777)
        (self._folder / "home").chmod(0o777)
        (self._folder / "home/.ssh").chmod(0o755)
        shared = [Path(folder) / f"{self.mark}-secret" for folder in WATCHED]
        self._secrets = [
            self._folder / "home/.ssh/id_canary", self._folder / "home/.netrc",
            self._folder / "cwd/canary.txt", *shared,
        ]  # fmt: skip
        for path in self._secrets:
            path.write_text(self._told(path.name) + "\n")
            path.chmod(0o644)
        (self._folder / "home/link").symlink_to(self._told("link"))
        ledger = self._folder / "drop/ledger"
        ledger.write_text("the one true ledger\n")
        ledger.chmod(0o666)
        module = f'SECRET = "{self._told("module")}"\n'
        (self._folder / "cwd/canary_module.py").write_text(module)
        with zipfile.ZipFile(self._folder / "cwd/archive.zip", "w") as archive:
            archive.writestr("zipped_canary.py", module)
        libraries = sorted(Path(sysconfig.get_config_var("DESTSHARED")).glob("*.so"))
        shutil.copy(libraries[0], self._folder / "drop/library.so")

    def _make_listeners(self) -> None:
        drop = self._folder / "drop"
        kinds: dict[str, tuple[int, int, Any]] = {
            "tcp": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "unix": (socket.AF_UNIX, socket.SOCK_STREAM, str(drop / "stream")),
            "unix_datagram": (socket.AF_UNIX, socket.SOCK_DGRAM, str(drop / "datagram")),
            "abstract": (socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.mark),
        }  # fmt: skip
        for name, (family, kind, address) in kinds.items():
            self._socks[name] = sock = socket.socket(family, kind)
            sock.bind(address)
            sock.setblocking(False)
            if kind == socket.SOCK_STREAM:
                sock.listen(64)
            if name in ("unix", "unix_datagram"):
                os.chmod(address, 0o777)

    def _make_bystander(self) -> None:
        self._bystander = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", BYSTANDER, self._told("arguments")],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        assert self._bystander.stdout is not None
        self._said = self._bystander.stdout.fileno()
        assert os.read(self._said, 1) == b"\0"

    def facts(self) -> dict[str, Any]:
        """What an attack is told: where everything is, but none of the secrets."""
        inside = sys.getsizeof(b"") - 1  # of a bytes object, where its bytes begin
        return {
            "breach": self.breach, "mark": self.mark, "uid": os.getuid(), "supervisor": os.getpid(),
            "bystander": self._bystander.pid, "secrets": [str(p) for p in self._secrets],
            "home": str(self._folder / "home"), "link": str(self._folder / "home/link"),
            "cwd": str(self._folder / "cwd"),
            "drop": str(self._folder / "drop"), "ledger": str(self._folder / "drop/ledger"),
            "archive": str(self._folder / "cwd/archive.zip"),
            "library": str(self._folder / "drop/library.so"),
            "project": str(Path(__file__).resolve().parents[4]),
            "tcp": self._socks["tcp"].getsockname()[1], "udp": self._socks["udp"].getsockname()[1],
            "unix": str(self._folder / "drop/stream"),
            "unix_datagram": str(self._folder / "drop/datagram"),
            "address": id(self._memory) + inside, "length": len(self._memory),
        }  # fmt: skip

    def settle(self) -> None:
        """Take what lives and is open now as the sandbox's own: one warm interpreter."""
        self._processes, self._open = len(living()), len(os.listdir("/proc/self/fd"))
        assert self._processes >= 2, "this kernel does not list a process's children"

    def intrusions(self) -> list[str]:
        """What was done to the world since the last look."""
        found = [*self._heard, *self._visits()]
        self._heard.clear()
        tree, names = self._digest(), self._marked()
        if tree != self._tree:
            found.append(f"files: {sorted(tree ^ self._tree)[:3]}")
        if names != self._names:
            found.append(f"names: {sorted(names ^ self._names)[:3]}")
        if tree != self._tree or names != self._names:
            self._restore()
        if self._bystander.poll() is not None:
            found.append(f"the bystander ended: {self._bystander.returncode}")
            self._make_bystander()
            self.settle()
        elif select.select([self._said], [], [], 0)[0]:
            found.append(f"the bystander got signals {list(os.read(self._said, 99))}")
        if state(self._bystander.pid) in "Tt":
            found.append("the bystander is stopped")
            os.kill(self._bystander.pid, signal.SIGCONT)
        end = time.monotonic() + PATIENCE
        while (left := len(living()) - self._processes) > 0 and time.monotonic() < end:
            time.sleep(0.01)
        if left > 0:
            found.append(f"processes left: {left}")
            self.settle()
        if len(os.listdir("/proc/self/fd")) > self._open:
            found.append("the supervisor keeps descriptors")
            self.settle()
        return found

    def _restore(self) -> None:
        """Make the files as they were, so that the next attack finds what it wants."""
        for path in self._folder.iterdir():
            shutil.rmtree(path)
        sweep(self.mark, keep=self._folder)
        self._make_files()
        for sock in self._socks.values():
            sock.close()
        self._make_listeners()
        os.chdir(self._folder / "cwd")
        self._tree, self._names = self._digest(), self._marked()

    def _visits(self) -> list[str]:
        found = []
        for name, sock in self._socks.items():
            with contextlib.suppress(BlockingIOError):
                while True:
                    if sock.type == socket.SOCK_STREAM:
                        sock.accept()[0].close()
                    else:
                        sock.recv(99)
                    found.append(f"{name} was reached")
        return found

    def _digest(self) -> set[tuple[str, ...]]:
        found = set()
        for path in self._folder.rglob("*"):
            stat = path.lstat()
            content = path.read_bytes() if path.is_file() and stat.st_size < 9999 else b""
            found.add((str(path), oct(stat.st_mode), str(stat.st_size) if content else "",
                       str(stat.st_mtime_ns) if path.is_file() else "", str(content)))  # fmt: skip
        return found

    def _marked(self) -> set[str]:
        with open("/proc/net/unix") as table:
            abstract = {line.split()[-1] for line in table if self.mark in line}
        return abstract | {
            f"{folder}/{name}"
            for folder in WATCHED
            for name in os.listdir(folder)
            if self.mark in name
        }  # fmt: skip

    def close(self) -> list[str]:
        """End the bystander, remove the files; what else still lives is returned."""
        self._bystander.kill()
        self._bystander.wait()
        for sock in self._socks.values():
            sock.close()
        os.chdir("/")
        sweep(self.mark)
        return [f"still alive: {pid}" for pid in living()]


def sweep(mark: str, keep: Path | None = None) -> None:
    """Remove what a world and its attacks made in the folders open to all."""
    for folder in WATCHED:
        for path in Path(folder).glob(f"{mark}*"):
            if path.is_dir() and not path.is_symlink() and path != keep:
                shutil.rmtree(path, ignore_errors=True)
            elif path != keep:
                with contextlib.suppress(OSError):
                    path.unlink()


def state(pid: int) -> str:
    """The letter of a process's state; `X` if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def living() -> set[int]:
    """Processes below this one that are no zombies."""
    found, todo = set(), [os.getpid()]
    while todo:
        for task in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                todo += (children := [int(word) for word in task.read_text().split()])
                found.update(pid for pid in children if state(pid) not in "ZX")
    return found
