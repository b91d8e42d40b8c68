"""Visit: the questions to a server that a plain call asks when a model is loaded.

They run without an event loop, before any run: what is there, does it know the model, what can it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import openai

from evaluators.errors import BadInput, UnknownName
from reasoning.models.endpoint.address import Address
from reasoning.models.endpoint.faults import fault_of, unreachable
from reasoning.models.endpoint.retry import Fault

TRIES = 4
"""How often a busy server is asked while a model is loaded."""


@dataclass
class Visit:
    """A server while a model is loaded. `base` is the address that answered, `models` what it
    lists, `entry` the model's own line there."""

    address: Address
    timeout: float
    sleep: Callable[[float], None] = time.sleep
    base: str = ""
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    _clients: dict[str, openai.OpenAI] = field(default_factory=dict, repr=False)

    @property
    def entry(self) -> dict[str, Any]:
        return self.models.get(self.address.model, {})

    def arrive(self, *, blind: bool = False) -> Visit:
        """Find the base address by its list of models. Raises BadInput where there is none,
        UnknownName for a model that is not listed, and LabError for a refused key. `blind`: a
        server without a list, or whose list is not complete, is taken as it is."""
        for base in self.address.bases:
            self.base = base
            data = self._list()
            if data is not None:
                self.models = data
                break
        else:
            self.base = self.address.bases[0]
            if not blind:
                tried = " and ".join(f"{base}/models" for base in self.address.bases)
                raise BadInput(
                    f"no OpenAI-compatible server: tried {tried}; give the URL that ends in /v1, or"
                    " say what the server can (can=… or profile=…) if it has no list of models"
                )
        if self.models and not blind and self.address.model not in self._names():
            raise UnknownName(f"model at {self.base}", self.address.model, self.models)
        return self

    def post(self, path: str, fields: dict[str, Any]) -> Any:
        """The JSON that answers. Raises LabError where there is none."""
        for attempt in range(TRIES):
            try:
                return self._json(self._client().post(path, cast_to=httpx2.Response, body=fields))
            except openai.APIError as error:
                fault = self._fault(error)
                if not isinstance(fault, Fault):
                    raise fault from None
                waits = fault.again and (fault.wait or 0.0) <= 60.0
                if not waits or attempt == TRIES - 1:
                    raise BadInput(
                        f"{self.address.model} cannot be asked what it can: {fault.reason}; try"
                        " again, or say it with can=… or profile=…"
                    ) from None
                self.sleep(fault.wait if fault.wait is not None else 0.5 * 2**attempt)
        raise AssertionError("unreachable")

    def tried(self, path: str, fields: dict[str, Any]) -> Any:
        """The JSON that answers, or None where the server refuses these fields or fails on them.
        Raises LabError where the server is busy for long or gone."""
        for attempt in range(TRIES):
            try:
                return self._json(self._client().post(path, cast_to=httpx2.Response, body=fields))
            except openai.APIStatusError as error:
                if error.status_code != 429 or attempt == TRIES - 1:
                    return None
                fault = self._fault(error)
                if not isinstance(fault, Fault):
                    raise fault from None
                self.sleep(min(60.0, fault.wait if fault.wait is not None else 0.5 * 2**attempt))
            except openai.APIError as error:
                # Many servers close the connection after an error; the next request meets that.
                closed = isinstance(error, openai.APIConnectionError)
                if not closed or isinstance(error, openai.APITimeoutError) or attempt == TRIES - 1:
                    raise BadInput(self.address.hide(f"{self.base} is gone: {error}")) from None
                self.sleep(0.1 * 2**attempt)
        raise AssertionError("unreachable")

    # -- inside -----------------------------------------------------------------------

    def _names(self) -> set[str]:
        """The models' names, also as Gemini (`models/` before) and Ollama (a tag behind) take
        them."""
        bare = {name.removeprefix("models/") for name in self.models}
        return {*self.models, *bare, *(name.removesuffix(":latest") for name in self.models)}

    def _list(self) -> dict[str, dict[str, Any]] | None:
        try:
            data = self._json(self._client().get("/models", cast_to=httpx2.Response))
        except openai.APIStatusError as error:
            if error.status_code in (401, 402, 403):
                raise self._fault(error) from None
            return None
        except openai.APIError as error:
            fault = self._fault(error)
            again = BadInput(f"{fault}; try again") if isinstance(fault, Fault) else fault
            raise again from None
        listed = data.get("data") if isinstance(data, dict) else None
        if not isinstance(listed, list):
            return None
        return {str(m["id"]): m for m in listed if isinstance(m, dict) and "id" in m}

    def _fault(self, error: openai.APIError) -> Exception:
        fault = fault_of(error, self.address, self.base, list(self.models))
        return unreachable(self.base) if _away(fault) else fault

    def _json(self, reply: httpx2.Response) -> Any:
        try:
            return json.loads(reply.content)
        except ValueError:
            return None

    def _client(self) -> openai.OpenAI:
        if self.base not in self._clients:
            transport = openai.DefaultHttpxClient(
                timeout=self.timeout, trust_env=not self.address.local
            )
            self._clients[self.base] = openai.OpenAI(
                api_key=self.address.key or "none", base_url=self.base, max_retries=0,
                timeout=self.timeout, http_client=transport,
            )  # fmt: skip
        return self._clients[self.base]

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()


def _away(fault: Exception) -> bool:
    return isinstance(fault, Fault) and fault.reason.endswith("cannot be reached")
