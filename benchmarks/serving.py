"""Time `reasonlab serve tiny` under 64 concurrent clients against the same requests in process.

    OMP_NUM_THREADS=1 python benchmarks/serving.py --seconds 120 > benchmarks/serving.md
    OMP_NUM_THREADS=1 python benchmarks/serving.py --seconds 10      # the same, short

The server is a process of its own, started by the command. A client sends a request as soon as its
last one is answered, over one kept connection; the in-process side is 64 coroutines that do the
same with `LocalModel.generate`. Both sides ask the same questions, in slices of a few seconds in
turn, so that other load on the machine meets both; a ratio is of tokens a second over all slices.
Then far more clients than the queue holds: how many are refused, and whether it recovers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from evaluators import load_task
from reasoning import load_model
from reasoning.core import Prompt, Sampling, SeedPath
from reasoning.ledger import Ledger

CLIENTS, QUEUE = 64, 96
WORK = {"one chain of thought": 1, "four": 4}
"""Completions a request; one is about 44 tokens."""


@dataclass
class Measured:
    """What one side did: requests, tokens drawn, seconds, and answers that were no 200."""

    requests: int = 0
    tokens: int = 0
    seconds: float = 0.0
    errors: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


class Client:
    """One kept HTTP connection, as cheap as can be: the machine is the server's."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._pipe: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer."""
        if self._pipe is None:
            self._pipe = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._pipe
        raw = json.dumps(body).encode()
        writer.write(
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
            b"\r\nContent-Length: %d\r\n\r\n%b" % (len(raw), raw)
        )
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in lines[1:])}
        answer = await reader.readexactly(int(headers["content-length"]))
        return int(lines[0].split()[1]), headers, answer

    def close(self) -> None:
        """Close the connection."""
        if self._pipe is not None:
            self._pipe[1].close()


class Questions:
    """Expressions without end, each with a seed of its own."""

    def __init__(self) -> None:
        task = load_task("expressions", n=2000)
        texts = [task.render(problem, "chain", "compact") for problem in task.problems]
        self._next = zip(itertools.cycle(texts), itertools.count(), strict=False)

    def __call__(self) -> tuple[str, int]:
        return next(self._next)


async def slice_of(
    ask: Callable[[int], Awaitable[int | None]], seconds: float, clients: int, into: Measured
) -> None:
    """Let every client ask again and again for so long; `ask` returns tokens, None for an error."""
    start = time.perf_counter()

    async def client(number: int) -> None:
        while time.perf_counter() - start < seconds:
            tokens = await ask(number)
            if tokens is not None:
                into.requests += 1
                into.tokens += tokens

    await asyncio.gather(*(client(i) for i in range(clients)))
    into.seconds += time.perf_counter() - start


async def measure(port: int, model: Any, seconds: float, n: int) -> tuple[Measured, Measured]:
    """The server and the loop in process, in turn until the server has had so many seconds."""
    questions, served, inside = Questions(), Measured(), Measured()
    sampling, clients = Sampling(max_tokens=256, n=n), [Client(port) for _ in range(CLIENTS)]

    async def remote(number: int) -> int | None:
        text, seed = questions()
        body = {"model": "tiny", "prompt": text, "max_tokens": 256, "n": n, "seed": seed}
        try:
            status, _, answer = await clients[number].post(body)
        except (OSError, EOFError):
            status, answer = 0, b""
            clients[number] = Client(port)
        if status != 200:
            served.errors[status] += 1
            return None
        return json.loads(answer)["usage"]["completion_tokens"]

    async def local(number: int) -> int:
        text, seed = questions()
        found = await model.generate(Prompt((), text), sampling, Ledger(), SeedPath(seed))
        return sum(completion.usage.completion for completion in found)

    piece = min(3.0, seconds / 2)
    while served.seconds < seconds:
        await slice_of(local, piece, CLIENTS, inside)
        await slice_of(remote, piece, CLIENTS, served)
    for client in clients:
        client.close()
    return served, inside


async def flood(port: int) -> list[str]:
    """Three times as many clients as the queue holds, each asking once; then one at a time."""
    questions, seen = Questions(), Counter[int]()
    clients = [Client(port) for _ in range(3 * QUEUE)]
    waits = set()

    async def once(client: Client) -> int:
        text, seed = questions()
        body = {"model": "tiny", "prompt": text, "max_tokens": 256, "n": 16, "seed": seed}
        status, headers, _ = await client.post(body)
        if status == 429:
            waits.add(headers.get("retry-after", "none"))
        seen[status] += 1
        return status

    await asyncio.gather(*map(once, clients))
    text = ", ".join(f"{count} x {status}" for status, count in sorted(seen.items()))
    lines = [f"{len(clients)} requests at once, a queue of {QUEUE}: {text}"]
    lines[0] += f" (Retry-After {', '.join(sorted(waits)) or 'never'})."
    after = [await once(client) for client in clients[:50]]
    lines.append(f"Then 50 of those clients one after the other: {after.count(200)} x 200.")
    for client in clients:
        client.close()
    return lines


@contextlib.contextmanager
def server() -> Any:
    """`reasonlab serve tiny` on a free port; gives the port."""
    command = [sys.executable, "-m", "labs.cli", "serve", "tiny", "--port", "0",
               "--max-requests", str(QUEUE)]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(":")[2].partition("/")[0])
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="of the server, a row")
    options = parser.parse_args()
    model: Any = load_model("tiny")
    print("# `reasonlab serve` against the loop in process\n")
    processor = platform.processor() or platform.machine()
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} x {processor},"
        f" load {os.getloadavg()[0]:.1f} at the start, {CLIENTS} clients, `python"
        f" benchmarks/serving.py --seconds {options.seconds:.0f}`.\n"
    )
    print(
        "| a request | tokens of it | served, requests/s | tokens/s | in process | ratio | errors |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    with server() as port:
        asyncio.run(measure(port, model, 1.0, 1))  # warm both
        for name, n in WORK.items():
            served, inside = asyncio.run(measure(port, model, options.seconds, n))
            print(
                f"| {name} | {served.tokens / max(1, served.requests):.0f} "
                f"| {served.requests / served.seconds:,.0f} | {served.rate:,.0f} "
                f"| {inside.rate:,.0f} | {served.rate / inside.rate:.2f} "
                f"| {served.errors.total()} of {served.requests:,} |",
                flush=True,
            )
        print("\nServed and in process: tokens a second; the ratio is served to in process.")
        print(f"Load at the end {os.getloadavg()[0]:.1f}.\n")
        print("\n".join(asyncio.run(flood(port))))


if __name__ == "__main__":
    main()
