"""The queue, the key and the address: who gets in, who is sent away, and how the server ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from evaluators.errors import BadInput, LabError
from labs.cli import main
from labs.server import listen
from labs.server.limits import Limits
from labs.server.listen import Server
from labs.server.models import named
from tests.labs.serving import QUESTION, Scripted, client, health, held, post, until

ROOT = Path(__file__).resolve().parents[2]


def test_past_the_queue_requests_are_refused_and_later_ones_taken() -> None:
    scripted = Scripted()
    with Server(scripted, limits=Limits(requests=3)) as server, ThreadPoolExecutor(3) as pool:
        scripted.open.clear()
        body = {"model": "scripted", "prompt": "?"}
        inside = [pool.submit(post, server, "completions", **body) for _ in range(3)]
        until(lambda: scripted.waiting == 3)
        refused = post(server, "completions", **body)
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        with pytest.raises(openai.RateLimitError):
            client(server).completions.create(model="scripted", prompt="?")
        scripted.open.set()
        assert [answer.result().status_code for answer in inside] == [200] * 3
        assert post(server, "completions", **body).status_code == 200
        counts = health(server)["requests"]
        assert (counts["answered"], counts["refused"], counts["active"]) == (4, 2, 0)


def test_a_client_that_leaves_gives_its_place_back() -> None:
    scripted = Scripted()
    with Server(scripted, limits=Limits(requests=1)) as server:
        scripted.open.clear()
        body = {"model": "scripted", "prompt": "?"}
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/completions", json=body, timeout=0.3)
        until(lambda: scripted.cancelled == 1)
        scripted.open.set()
        until(lambda: health(server)["requests"]["active"] == 0)
        assert post(server, "completions", **body).status_code == 200
        assert health(server)["requests"]["left"] == 1


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer wrong", "Basic right", "Bearer rightt"])
def test_without_the_key_nothing_is_answered(sent: str) -> None:
    with Server(scripted := Scripted(), key="right") as server:
        head = {"Authorization": sent} if sent else {}
        for path in ("/v1/models", "/v1/nothing"):
            answer = httpx.get(server.url.removesuffix("/v1") + path, headers=head)
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "invalid_api_key"
            assert answer.headers["www-authenticate"] == "Bearer"
        body = {"model": "scripted", "prompt": "?"}
        assert httpx.post(f"{server.url}/completions", json=body, headers=head).status_code == 401
        assert scripted.seen == []


def test_the_key_opens_and_health_tells_a_stranger_only_that_it_works() -> None:
    with Server(Scripted(), key="right") as server:
        assert next(m.id for m in client(server, "right").models.list()) == "scripted"
        with pytest.raises(openai.AuthenticationError, match="needs its key") as failure:
            client(server, "wrong").models.list()
        assert "right" not in str(failure.value)
        assert health(server) == {"status": "ok"}
        where = server.url.removesuffix("/v1") + "/health"
        told = httpx.get(where, headers={"Authorization": "Bearer right"}).json()
        assert "requests" in told


def test_other_hosts_need_a_key_or_a_word() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org"):
        with pytest.raises(BadInput, match="--key-env"):
            Server(Scripted(), host=host)
    Server(Scripted(), host="0.0.0.0", key="k").close()
    Server(Scripted(), host="0.0.0.0", open=True).close()


def test_a_port_that_is_taken_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with Server(Scripted()) as server:
        assert main(["serve", "tiny", "--port", str(server.port)]) == 2
    assert "--port" in capsys.readouterr().err


def test_two_servers_that_load_at_once_do_not_share_a_port() -> None:
    first = Server(Scripted())
    with pytest.raises(BadInput, match="--port"):
        Server(Scripted(), port=first.port)
    first.close()


def test_a_server_that_has_ended_does_not_seem_to_start_again() -> None:
    with Server(Scripted()) as server:
        pass
    with pytest.raises(LabError, match="has ended; make another"):
        server.start()


def test_an_answer_in_two_packets_does_not_wait_for_the_first_to_be_confirmed() -> None:
    with Server(Scripted()) as server, httpx.Client() as kept:
        kept.get(f"{server.url}/models")
        [open_one] = server._uvicorn.server_state.connections
        sock = open_one.transport.get_extra_info("socket")  # type: ignore[union-attr]
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    "line",
    [["--key-env", "NOT_THERE"], ["--options", "device"], ["--options", "no_such=1"]],
    ids=" ".join,
)
def test_wrong_settings_are_said_before_anything_is_served(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "tiny", "--port", "0", *line]) == 2
    assert line[1].partition("=")[0] in capsys.readouterr().err


def test_names_under_which_models_are_served() -> None:
    given = ["tiny", "small=hf:/some/where", "openai:org/big@http://host:1/v1"]
    assert named(given) == {"tiny": given[0], "small": "hf:/some/where", "org/big": given[2]}
    with pytest.raises(BadInput, match="two models"):
        named(["tiny", "openai:tiny@http://host:1/v1"])
    with pytest.raises(BadInput, match="at least one"):
        named([])


@pytest.mark.parametrize("stream", [False, True])
def test_what_lasts_longer_than_the_servers_patience_is_told_so(
    stream: bool, tiny_server: Any, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listen, "PATIENCE", 0)
    model, _ = held(tiny_server.served.models["tiny"])
    with Server(model) as server, ThreadPoolExecutor(1) as pool:
        body = {"model": "held", "prompt": "7", "stream": stream}
        asked = pool.submit(post, server, "completions", **body)
        until(lambda: health(server)["requests"]["active"] == 1)
        server.stop()
        answer = asked.result()
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "server_stopping"
    assert "Traceback" not in caplog.text


def test_the_command_prints_its_address_and_answers_what_it_began_when_it_is_stopped() -> None:
    environment = {**os.environ, "LAB_KEY": "hidden-key", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "labs.cli", "serve", "tiny", "other=tiny-student", "--port", "0",
         "--key-env", "LAB_KEY"],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.fullmatch(r"serving tiny, other at (http://127\.0\.0\.1:\d+/v1)\n", said)
        assert found is not None, said
        head = {"Authorization": "Bearer hidden-key"}
        body = {"model": "tiny", "prompt": QUESTION, "max_tokens": 300, "n": 16,
                "structured_outputs": {"regex": "[12]{300}"}}  # fmt: skip
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(
                httpx.post, f"{found[1]}/completions", json=body, headers=head, timeout=60
            )
            until(lambda: _active(found[1], head) == 1, 60)
            process.send_signal(signal.SIGINT)
            assert asked.result().status_code == 200
        rest, errors = process.communicate(timeout=30)
        assert process.returncode == 0 and rest == ""
        assert "hidden-key" not in errors and "Traceback" not in errors
    finally:
        process.kill()


def _active(url: str, head: dict[str, str]) -> int:
    told: Any = httpx.get(url.removesuffix("/v1") + "/health", headers=head).json()
    time.sleep(0.005)
    return told["requests"]["active"]
