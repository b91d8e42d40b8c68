"""Probe: find out what a server does for a model, by asking; once a process for each.

Few tokens are asked for and counted. A field that a server refuses, or that changes nothing where
it should, is one that it does not have. Reproducible seeds, top-k and min-p are seen at a high
temperature: with them on, draws that otherwise differ are alike.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from evaluators.errors import BadInput
from reasoning.core import Sampling
from reasoning.models.endpoint.answers import Broken, Choice, choices
from reasoning.models.endpoint.bodies import PATHS, guide
from reasoning.models.endpoint.server import Route, Server
from reasoning.models.endpoint.visit import Visit

TEXT = "1 2 3 4 5 6 7"
LENGTH = 8
"""Tokens asked for where the length does not matter otherwise."""

SEEDS = (21, 22, 23)

_known: dict[tuple[str, str, str], tuple[Server, dict[str, Any]]] = {}
_lock = threading.Lock()


def probed(visit: Visit, route: Route) -> tuple[Server, dict[str, Any]]:
    """What the server at `visit` does for its model on this route, and what asking cost:
    `requests`, `prompt` and `completion` tokens. Raises LabError where the first request
    fails."""
    key = (visit.base, visit.address.model, route)
    with _lock:
        if key not in _known:
            probe = _Probe(visit, route)
            _known[key] = probe.run(), probe.cost
        return _known[key]


@dataclass
class _Probe:
    visit: Visit
    route: Route
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    cost: dict[str, Any] = field(
        default_factory=lambda: {"requests": 0, "prompt": 0, "completion": 0}
    )

    def run(self) -> Server:
        plain = self._first()
        can: set[str] = set()
        server = Server(self.route, limit=self.limit)
        logprobs, quiet = self._logprobs()
        hot: dict[str, Any] = {"temperature": 2.0}
        counts: dict[str, Any] = dict(logprobs)
        if logprobs:
            can.add("logprobs")
        one = self.ask({**hot, "return_token_ids": True}, 1)
        if one and one[0].token_ids is not None:
            can.add("token_ids")
            counts["return_token_ids"] = True
        pair = self.ask({**hot, **counts, "n": 2})
        if pair and all(choice.counted is not None for choice in pair):
            can.add("n")
        draws = {seed: self._text({**hot, "seed": seed}) for seed in SEEDS}
        seeded = self._text({**hot, "seed": SEEDS[0]}) == draws[SEEDS[0]] is not None
        if seeded and len(set(draws.values())) > 1:
            can.add("seed")
        # Seeds whose draw is not the greedy text: a field that makes it so was heeded.
        wild = [seed for seed, text in draws.items() if text not in (None, plain.text)]
        wild = wild[:1] if "seed" in can else wild and [*SEEDS, *SEEDS[:1]]
        for name, value in (("top_k", 1), ("min_p", 1.0)):
            alike = [self._text({**hot, name: value, "seed": seed}) for seed in wild]
            if alike and set(alike) == {plain.text}:
                can.add(name)
        include, reasons = self._stops(plain)
        if include or reasons:
            can.add("tells_stop")
        if self.route == "completions":
            can.add("continue")
            if self._echoes(0 if quiet else 1):
                can.add("score")
        begins = self._flags() if self.route == "chat" else None
        flags = begins is not None
        if self.route == "chat" and not flags:
            begins = self._prefills()
        if begins is not None:
            can.add("continue")
        server = replace(
            server, include=include, reasons=reasons, plain_logprobs=quiet, flags=flags,
            repeats=bool(begins),
        )  # fmt: skip
        guides, forms = self._guides(server)
        return replace(server, guides=guides, can=frozenset(can | forms))

    # -- questions --------------------------------------------------------------------

    def _first(self) -> Choice:
        fields = {"temperature": 0.0}
        try:
            made = self._send(fields, LENGTH)
        except BadInput as error:
            if "max_completion_tokens" not in str(error):
                raise
            self.limit = "max_completion_tokens"
            made = self._send(fields, LENGTH)
        return made[0]

    def _logprobs(self) -> tuple[dict[str, Any], bool]:
        """The field that gives log-probabilities, if any, and whether it costs no alternatives."""
        tried = (0, 1) if self.route == "completions" else (True,)
        for value in tried:
            made = self.ask({"temperature": 0.0, "logprobs": value}, 1)
            if made and made[0].logprobs:
                return {"logprobs": value}, value == 0 and value is not False
        return {}, False

    def _stops(self, plain: Choice) -> tuple[bool, bool]:
        """Whether a stop string can stay in the text, and whether the server names it."""
        mark = next((c for c in plain.text[1:] if c.strip()), None) or plain.text[-1:]
        if not mark:
            return False, False
        fields = {"temperature": 0.0, "stop": [mark]}
        made = self.ask({**fields, "include_stop_str_in_output": True})
        kept = bool(made) and mark in made[0].text
        told = made if made else self.ask(fields)
        return kept, bool(told) and told[0].matched == mark

    def _echoes(self, logprobs: int) -> bool:
        fields = {"echo": True, "logprobs": logprobs, "temperature": 0.0}
        data = self._try(self._body(fields, 0))
        try:
            found = data["choices"][0]["logprobs"]
            return "".join(found["tokens"][-1:]) != "" and found["token_logprobs"][-1] < 0.0
        except (KeyError, IndexError, TypeError):
            return False

    def _flags(self) -> bool | None:
        """Whether the server knows the two flags of a started answer: set both, they contradict
        each other, and a server that knows them says so. None if it does not, else whether the
        answer begins with what was started: one token is less than that."""
        begun = "1 2 3 4 5 6"
        turn = {"role": "assistant", "content": begun}
        both = {"continue_final_message": True, "add_generation_prompt": True}
        if self._try(self._body(both, 1, turn)) is not None:
            return None
        one = {"continue_final_message": True, "add_generation_prompt": False}
        made = self._read(self._try(self._body(one, 1, turn)), 1)
        return made[0].text.startswith(begun) if made else None

    def _prefills(self) -> bool | None:
        """Whether a last message of the assistant is gone on with, as the count shows: None if it
        is not, else whether the answer begins with that message."""
        begun = "1 2 3 4 5 6"
        turn = {"role": "assistant", "content": begun}
        made = self._read(self._try(self._body({"temperature": 0.0}, LENGTH, turn)), 1)
        text = made[0].text if made else ""
        new = text.removeprefix(begun)
        return new != text if new.strip().startswith("7") else None

    def _guides(self, server: Server) -> tuple[Any, set[str]]:
        """The field that enforces forms, and which forms it was seen to enforce."""
        schema = json.dumps(
            {
                "type": "object",
                "properties": {"a": {"type": "string", "enum": ["zq"]}},
                "required": ["a"],
                "additionalProperties": False,
            }
        )
        wanted = {
            "choices": (Sampling(choices=("zq", "zqx")), lambda text: text in ("zq", "zqx")),
            "regex": (Sampling(regex="z{2}q"), lambda text: text == "zzq"),
            "schema": (Sampling(schema=schema), _is_zq),
        }
        for field_name in ("structured_outputs", "response_format", "grammar"):
            forms: set[str] = set()
            for form, (sampling, right) in wanted.items():
                asking = replace(server, can=frozenset({form}), guides=field_name)
                fields = guide(asking, sampling)
                made = self.ask({"temperature": 0.0, **fields}, 24) if fields else None
                if made and right(made[0].text.strip()):
                    forms.add(form)
                elif form == "choices" and field_name == "structured_outputs":
                    break  # a server without the field takes none of its forms
            if forms:
                return field_name, forms
        return None, set()

    # -- asking -----------------------------------------------------------------------

    def ask(self, fields: Mapping[str, Any], tokens: int = LENGTH) -> list[Choice] | None:
        """The choices, or None where the server refuses the fields or answers something else."""
        return self._read(self._try(self._body(fields, tokens)), int(fields.get("n", 1)))

    def _text(self, fields: Mapping[str, Any]) -> str | None:
        made = self.ask(fields)
        return made[0].text if made else None

    def _send(self, fields: Mapping[str, Any], tokens: int) -> list[Choice]:
        made = self._read(self._count(self.visit.post(*self._body(fields, tokens))), 1)
        if made is None:
            raise BadInput(
                f"{self.visit.base} answers, but not with completions; is it an OpenAI-compatible"
                " server?"
            )
        return made

    def _try(self, asked: tuple[str, dict[str, Any]]) -> Any:
        return self._count(self.visit.tried(*asked))

    def _body(
        self, fields: Mapping[str, Any], tokens: int, turn: Mapping[str, str] | None = None
    ) -> tuple[str, dict[str, Any]]:
        asked = {"model": self.visit.address.model, self.limit: tokens, **fields}
        if self.route == "completions":
            return PATHS["completions"], {**asked, "max_tokens": tokens, "prompt": TEXT}
        user = {"role": "user", "content": f"Count to 99, like this: {TEXT}"}
        return PATHS["chat"], {**asked, "messages": [user, *([turn] if turn else [])]}

    def _count(self, data: Any) -> Any:
        self.cost["requests"] += 1
        usage = data.get("usage") if isinstance(data, dict) else None
        for name in ("prompt", "completion"):
            told = usage.get(f"{name}_tokens") if isinstance(usage, dict) else None
            self.cost[name] += told if type(told) is int else 0
        return data

    def _read(self, data: Any, n: int) -> list[Choice] | None:
        try:
            return choices(data, n)
        except Broken:
            return None


def _is_zq(text: str) -> bool:
    try:
        return json.loads(text) == {"a": "zq"}
    except ValueError:
        return False
