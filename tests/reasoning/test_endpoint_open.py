"""Loading an endpoint: its address, its key, what it can; one sentence for all that is wrong."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "search"))

from endpoints import CAN, PRICES, endpoint
from fault_server import FaultServer
from toy_lab import toy

from evaluators.errors import BadInput, LabError, UnknownName
from reasoning import Ledger, Message, Prompt, Sampling, SeedPath, load_model, loop
from reasoning.budget import Price
from reasoning.models.endpoint import probe
from reasoning.models.endpoint.address import read_address
from reasoning.models.endpoint.server import ABILITIES, PROFILES
from search import compare

KEY = "sk-proj-4cafe-0nobody-may-see-this"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    probe._known.clear()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


ADDRESSES = {
    "tiny@http://127.0.0.1:8000/v1": ("tiny", ("http://127.0.0.1:8000/v1",)),
    "tiny@http://localhost:8000": (
        "tiny", ("http://localhost:8000/v1", "http://localhost:8000")),
    "org/name@http://[::1]:8000/v1/": ("org/name", ("http://[::1]:8000/v1",)),
    "@cf/meta/llama@http://127.0.0.1/api/": (
        "@cf/meta/llama", ("http://127.0.0.1/api", "http://127.0.0.1/api/v1")),
    "tiny@HTTP://127.0.0.1:8000/v1 ": ("tiny", ("http://127.0.0.1:8000/v1",)),
    "a@b:c@http://127.0.0.2:1/v1": ("a@b:c", ("http://127.0.0.2:1/v1",)),
}  # fmt: skip


@pytest.mark.parametrize(("rest", "parts"), ADDRESSES.items(), ids=ADDRESSES)
def test_an_address_is_a_model_and_the_places_to_try(rest, parts):
    found = read_address(rest)
    assert (found.model, found.bases) == parts and found.local and found.key is None


def test_without_a_url_it_is_the_environments_or_openais_own(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert read_address("gpt-x").bases == ("https://api.openai.com/v1",)
    assert not read_address("gpt-x").local
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert read_address("a/b@2024").model == "a/b@2024"
    assert read_address("gpt-x").bases == ("http://127.0.0.1:9/v1",)


def test_a_line_end_behind_a_key_is_none_of_it(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\r\n")
    assert read_address("tiny@http://127.0.0.1/v1").key == KEY


@pytest.mark.parametrize("key", [f"{KEY} and", f"{KEY}\nX-Other: 1", f"{KEY}é", f"{KEY}\x7f"])
def test_a_key_that_no_header_carries_is_refused_and_not_shown(monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with FaultServer() as server, pytest.raises(BadInput, match="OPENAI_API_KEY") as error:
        load_model(f"openai:{server.model}@{server.url}")
    assert KEY[:12] not in "".join(traceback.format_exception(error.value))


WRONG = {
    "tiny@localhost:8000/v1": "lacks http://",
    "tiny@10.0.0.7": "lacks http://",
    "tiny@http://user:word@127.0.0.1/v1": "holds a name or password: put the key into",
    "tiny@http://127.0.0.1/v1?key=1": "must end before",
    "tiny@http:///v1": "no address of a server",
    "tiny@http://[::1/v1": "no address of a server",
    "tiny@http://127.0.0.1:eighty/v1": "no address of a server",
    "tiny@http://a b/v1": "no address of a server",
    "tiny@http:/127.0.0.1/v1": "names no model at a URL",
    "@http://127.0.0.1/v1": "names no model at a URL",
    "gpt@https://api.example.org/v1": "no key for api.example.org: set .*OPENAI_API_KEY.*key_env",
}


@pytest.mark.parametrize(("rest", "said"), WRONG.items(), ids=WRONG)
def test_a_wrong_address_is_refused_in_one_sentence(rest, said):
    with pytest.raises(BadInput, match=said) as error:
        load_model(f"openai:{rest}")
    assert "word" not in str(error.value) or "user:word" not in str(error.value)


def test_a_server_that_is_not_there_is_named_with_the_remedy():
    port = free_port()
    with pytest.raises(BadInput) as error:
        load_model(f"openai:tiny@http://127.0.0.1:{port}")
    assert str(error.value) == (
        f"no server answers at http://127.0.0.1:{port}/v1: start one (for the embedded model:"
        " `reasonlab serve tiny`) or correct the URL"
    )


def test_an_unknown_model_lists_what_the_server_has():
    with FaultServer(model="toy-large") as server:
        with pytest.raises(UnknownName, match=r"'toy-lage'.*Did you mean 'toy-large'"):
            load_model(f"openai:toy-lage@{server.url}")
        assert not server.requests


def test_a_url_without_v1_is_found_and_a_wrong_one_says_what_was_tried():
    with FaultServer() as server:
        bare = server.url.removesuffix("/v1")
        model = load_model(f"openai:toy@{bare}", can=CAN)
        assert model.wire.base == server.url  # type: ignore[attr-defined]
        with pytest.raises(BadInput, match=r"tried \S+/api/models and \S+/api/v1/models"):
            load_model(f"openai:toy@{bare}/api")


@pytest.mark.parametrize("given", [None, "sk-wrong"])
def test_a_refused_key_is_one_request_and_one_sentence(given, monkeypatch):
    if given:
        monkeypatch.setenv("OPENAI_API_KEY", given)
    with FaultServer(key=KEY, echo_key=True) as server:
        with pytest.raises(LabError, match=r"refused the key|wants a key") as error:
            load_model(f"openai:toy@{server.url}")
        assert server.listed == 1 and not server.requests
    assert "OPENAI_API_KEY" in str(error.value)
    assert given is None or given not in str(error.value)


def everything_shown(run, folder: Path, capture) -> str:
    """All that a run prints, warns, logs, raises or writes."""
    said = []
    try:
        result = run()
        said += [repr(result), str(result.settings), result.table().__str__()]
    except LabError as error:
        said += [str(error), "".join(traceback.format_exception(error))]
    said += [file.read_text() for file in folder.rglob("*") if file.is_file()]
    said += [record.getMessage() for record in capture.records]
    said += [str(vars(record)) for record in capture.records]
    return "\n".join(said)


@pytest.mark.parametrize("fault", [None, "500", "400", "429", "401", "drop", "json", "long"])
@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "MY_KEY"])
def test_the_key_is_never_shown_or_written(fault, name, monkeypatch, tmp_path, caplog, capfd):
    monkeypatch.setenv(name, KEY)
    caplog.set_level(logging.DEBUG)
    options = {} if name == "OPENAI_API_KEY" else {"key_env": name}

    def script(number, body):
        return fault if number % 2 else None

    with FaultServer(script, key=KEY, echo_key=True) as server:
        model = endpoint(server, retries=1, **options)

        def run():
            return compare(
                "self-consistency(n=4)", toy(2), model, [60], out=tmp_path / "run", progress=False
            )

        said = everything_shown(run, tmp_path, caplog)
        assert server.requests and len(said) > 500
    shown = capfd.readouterr()
    said += shown.out + shown.err + repr(model) + json.dumps(model.fingerprint())
    said += repr(model.wire.address) + repr(model.server) + repr(model.probe)
    assert KEY not in said


def test_another_variable_can_hold_the_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    monkeypatch.setenv("MY_KEY", KEY)
    with FaultServer(key=KEY) as server:
        assert endpoint(server, key_env="MY_KEY").can == frozenset(CAN.split(","))


def test_what_a_full_server_can_is_found_for_few_tokens_and_once():
    with FaultServer() as server:
        model = endpoint(server, can=None)
        assert model.can == frozenset(CAN.split(","))
        assert model.server.reasons and model.server.include and model.server.plain_logprobs
        assert model.probe["requests"] == len(server.requests) <= 20
        assert model.probe["completion"] == server.generated <= 200
        assert endpoint(server, can=None).can == model.can
        assert len(server.requests) == model.probe["requests"]


def test_a_bare_server_is_not_credited_with_what_it_ignores():
    with FaultServer(bare=True) as server:
        model = endpoint(server, can=None)
    assert model.can == {"continue", "seed"} and not model.server.include


def test_a_strict_server_refuses_extensions_and_is_used_without_them():
    with FaultServer(strict=True) as server:
        model = endpoint(server, can=None)
        assert model.can == {"continue", "logprobs", "n", "seed"}
        compare("chain-of-thought", toy(2), model, 60, progress=False)
        assert all("return_token_ids" not in body for body in server.requests[-2:])


def test_a_server_that_fails_while_it_is_asked_says_how_to_go_on():
    with (
        FaultServer(lambda number, body: "400") as server,
        pytest.raises(BadInput, match=r"cannot be asked what it can.*can="),
    ):
        endpoint(server, can=None)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_taken_from_the_documentation_and_asks_nothing(name):
    server, page = PROFILES[name]
    assert page.startswith("https://") and server.can <= frozenset(ABILITIES)
    with FaultServer() as running:
        model = endpoint(running, can=None, profile=name, dialect="plain")
        assert not running.requests and model.can == server.can and model.probe == {}
    assert model.server.route == "chat" and bool(server.guides) == bool(
        server.can & {"choices", "regex", "schema"}
    )


OPTIONS = {
    "route": ({"route": "socket"}, "option route must be one of auto, completions, chat"),
    "dialect": ({"dialect": "terse"}, "option dialect must be one of auto, compact, plain"),
    "can": ({"can": "contine"}, "unknown ability in option can 'contine'. Did you mean 'continue'"),
    "profile": ({"profile": "vlm"}, "unknown profile 'vlm'. Did you mean 'vllm'"),
    "timeout": ({"timeout": 0}, "option timeout is seconds above 0"),
    "endless": ({"timeout": float("inf")}, "option timeout is seconds above 0"),
    "context": ({"context": "4k"}, "option context must be a whole number of 1 or more"),
    "no number": ({**PRICES, "price_prompt": float("nan")}, "option price_prompt is dollars"),
    "retries": ({"retries": -1}, "option retries must be a whole number"),
    "concurrency": ({"concurrency": 0}, "option concurrency must be a whole number of 1 or more"),
    "price": ({"price_prompt": 1.0}, "needs both price_prompt and price_completion"),
    "negative": ({**PRICES, "price_prompt": -1}, "option price_prompt is dollars per million"),
}


@pytest.mark.parametrize(("options", "said"), OPTIONS.values(), ids=OPTIONS)
def test_a_wrong_option_is_named(options, said):
    with FaultServer() as server, pytest.raises(LabError) as error:
        endpoint(server, **options)
    assert said in str(error.value) and not server.requests
    with pytest.raises(BadInput, match=r"unknown option devise; it takes route"):
        load_model("openai:toy@http://127.0.0.1:9", devise="cpu")


def test_prices_and_abilities_come_from_options():
    with FaultServer() as server:
        model = endpoint(server, can="continue+seed", price_prompt=1, price_completion=4)
    assert model.can == {"continue", "seed"} and model.price == Price(1.0, 1.0, 4.0)
    assert model.dialect == "compact" and model.context == 4096
    assert model.fingerprint()["price"] == {"prompt": 1.0, "cached": 1.0, "completion": 4.0}


def test_loading_other_models_imports_no_client():
    code = (
        "import sys, reasoning.models, search\n"
        "print(sorted({'openai', 'httpx2', 'jsonschema', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("repeats", [True, False, None], ids=["repeats", "goes on", "begins anew"])
def test_how_a_chat_server_goes_on_with_an_answer_is_seen_in_a_count(repeats):
    class Counting(FaultServer):
        def write(self, prompt, body, index):
            begun = body["messages"][-1]["content"]
            if body["messages"][-1]["role"] != "assistant" or repeats is None:
                text = "1 2 3"
            else:
                text = (begun if repeats else "") + (" 7" if begun.endswith("6") else " 12\n")
            return {"text": text, "tokens": list(text), "reason": "stop", "matched": None}

    with Counting(bare=True) as server:
        model = endpoint(server, can=None, route="chat", dialect="plain")
        assert ("continue" in model.can, model.server.repeats) == (
            repeats is not None,
            bool(repeats),
        )
        if repeats is not None:
            prompt = Prompt((Message("user", "3+4+5"),), "7\n")
            (made,) = loop.run(model.generate(prompt, Sampling(40), Ledger(), SeedPath(0)))
            assert made.text == " 12\n"
