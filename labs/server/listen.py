"""Server: models behind an address, in this thread or in one of its own (for a notebook)."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn

from evaluators.errors import BadInput, LabError
from labs.server.app import build
from labs.server.limits import Limits
from labs.server.models import Served, named
from reasoning.core import LanguageModel
from reasoning.models import load_model

PATIENCE = 10
"""Seconds that requests in work have to finish when the server stops."""


class _Uvicorn(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


class Server:
    """Serves models at `url`, until `stop` or the end of a `with` block.

    Models are names for `load_model` or model objects; `NAME=MODEL` names one for the clients.
    `port` 0 takes any free one. `key` is what clients must send as their bearer token. Raises
    BadInput for an address that is not loopback without a key (unless `open`), or that is taken.
    """

    def __init__(
        self,
        *models: str | LanguageModel,
        host: str = "127.0.0.1",
        port: int = 0,
        key: str | None = None,
        open: bool = False,
        limits: Limits | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        if key is None and not open and not _loopback(host):
            raise BadInput(
                f"at {host} others can reach the server: give it a key (--key-env NAME), or say"
                " that anyone may use it (--open)"
            )
        places = named(models)
        self._socket = _bound(host, port)  # before a model is loaded, which may take minutes
        try:
            self.served = Served({n: load_model(m, **(options or {})) for n, m in places.items()})
        except BaseException:
            self.close()
            raise
        self.port = self._socket.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self.port}/v1"
        self._listening = threading.Event()
        self._told: Callable[[], None] = lambda: None
        self.app = build(self.served, limits, key)
        config = uvicorn.Config(
            self.app, log_level="warning", access_log=False, lifespan="off", server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=PATIENCE, timeout_keep_alive=60, ws="none",
        )  # fmt: skip
        self._uvicorn = _Uvicorn(config, self._ready)
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> Server:
        """Serve in a thread; returns when it listens. Raises LabError for one that has ended."""
        if self._socket.fileno() < 0:
            raise LabError(f"the server at {self.url} has ended; make another")
        self._thread = threading.Thread(target=self.run, name="serve", daemon=True)
        self._thread.start()
        self._listening.wait()
        return self

    def stop(self) -> None:
        """Take no more requests, answer those in work, and end."""
        self._uvicorn.should_exit = True
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Give the address back; for a server that was never started."""
        self._socket.close()

    def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serve in this thread until `stop`, or Ctrl-C in a main thread; `ready` is called once it
        listens."""
        self._told = ready or self._told
        try:
            self._uvicorn.run(sockets=[self._socket])
        finally:
            self._listening.set()
            self._socket.close()

    def _ready(self) -> None:
        self._listening.set()
        self._told()


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bound(host: str, port: int) -> socket.socket:
    try:
        where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        made = socket.socket(*where[0][:3])  # without its protocol asyncio leaves Nagle's delay on
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(where[0][4])
        made.listen(2048)  # until one of them listens, two can be bound to one address
    except (OSError, OverflowError) as error:
        raise BadInput(
            f"cannot serve at {host}:{port} ({error}); name another --port, 0 for any free one"
        ) from error
    return made
