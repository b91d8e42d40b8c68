"""WorkerProcess: one worker program and the pipes to it, on the running event loop."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evaluators.discovery.base import DiscoveryProblem
from evaluators.errors import BadInput

WORKER = Path(__file__).with_name("worker.py")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_CHUNK = 1 << 16


def ship(problem: DiscoveryProblem, sandbox: str | None, journal: Path) -> bytes:
    """What a worker reads first: the import path, the back-end's name, the folder of its journal,
    the pickled problem. Raises BadInput for a problem that cannot travel."""
    import cloudpickle

    try:
        raw = cloudpickle.dumps(problem)
    except Exception as error:
        raise BadInput(
            f"problem {problem.name!r} cannot be sent to worker processes ({error}); keep open"
            " files, locks and the like out of it"
        ) from error
    path = [entry or os.getcwd() for entry in sys.path]
    header = {
        "path": path,
        "size": len(raw),
        "sandbox": sandbox,
        "journal": str(journal.absolute()),
    }
    return json.dumps(header).encode() + b"\n" + raw


class WorkerProcess:
    """A running worker. `answered` is called with every answer, `died` once with the reason when it
    ends without having been killed. Sending never waits."""

    def __init__(
        self,
        header: bytes,
        answered: Callable[[dict[str, Any]], None],
        died: Callable[[str], None],
    ) -> None:
        single = {name: os.environ.get(name, "1") for name in _THREADS}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(WORKER)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            env={**os.environ, **single},
            start_new_session=True,  # Ctrl-C is for this process; a worker ends with its input
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._answered, self._died = answered, died
        self._rest = bytearray()  # read, without its line end
        self._unsent = bytearray()
        self._alive = True
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._from, self._read)
        self._write(header)

    def send(self, row: dict[str, Any]) -> None:
        """Send a job."""
        self._write(json.dumps(row, separators=(",", ":")).encode() + b"\n")

    def kill(self) -> None:
        """End it at once."""
        if not self._alive:
            return
        self._alive = False
        self._loop.remove_reader(self._from)
        self._loop.remove_writer(self._to)
        self._process.kill()
        self._process.wait()
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()

    # -- inside -----------------------------------------------------------------------

    def _write(self, raw: bytes) -> None:
        if not self._unsent:
            raw = raw[self._push(raw) :]
            if raw:
                self._loop.add_writer(self._to, self._flush)
        self._unsent += raw

    def _flush(self) -> None:
        del self._unsent[: self._push(bytes(self._unsent[:_CHUNK]))]
        if not self._unsent:
            self._loop.remove_writer(self._to)

    def _push(self, raw: bytes) -> int:
        """How many bytes the pipe took; all of them where nobody will ever read them."""
        try:
            return os.write(self._to, raw)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            return len(raw)  # its end of the other pipe tells of its death

    def _read(self) -> None:
        try:
            raw = os.read(self._from, _CHUNK)
        except BlockingIOError:
            return
        if not raw:
            self._end()
            return
        self._rest += raw
        if b"\n" not in raw:
            return
        *lines, rest = self._rest.split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            if self._alive:
                self._answered(json.loads(line))

    def _end(self) -> None:
        self._loop.remove_reader(self._from)
        code = self._process.wait()
        self.kill()
        self._died(f"signal {-code}" if code < 0 else f"exit status {code}")
