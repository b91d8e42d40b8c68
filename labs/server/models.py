"""The models that a server answers for, by name: those it was given, and each with a strategy."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evaluators.errors import BadInput
from labs.server.errors import ApiError
from reasoning.core import LanguageModel
from search.strategies import STRATEGIES


@dataclass(frozen=True)
class Served:
    """Models by the names that clients use. `MODEL/STRATEGY` is a model as well."""

    models: Mapping[str, LanguageModel]
    since: int = field(default_factory=lambda: int(time.time()))

    def find(self, name: str) -> tuple[LanguageModel, str | None]:
        """The model of this name, and the strategy before it. Raises ApiError (404)."""
        if name in self.models:
            return self.models[name], None
        base, slash, strategy = name.rpartition("/")
        if slash and base in self.models and strategy in STRATEGIES:
            return self.models[base], strategy
        known = f"it serves {', '.join(self.models)}"
        if slash and base in self.models:
            known = f"strategies of {base}: {', '.join(STRATEGIES)}"
        else:
            known += ", and each of them with a strategy, such as "
            known += f"{next(iter(self.models))}/best-of-n"
        raise ApiError(
            404, f"model {name!r} is not served here; {known}", "model_not_found", param="model"
        )

    def rows(self) -> list[dict[str, Any]]:
        """What `/v1/models` lists: every model, then every model with every strategy."""
        rows = [self.row(name) for name in self.models]
        return rows + [self.row(f"{name}/{s}") for name in self.models for s in STRATEGIES]

    def row(self, name: str) -> dict[str, Any]:
        """One model's entry. Raises ApiError (404)."""
        model, strategy = self.find(name)
        return {
            "id": name,
            "object": "model",
            "created": self.since,
            "owned_by": "reasoning-lab",
            "parent": None if strategy is None else name.rpartition("/")[0],
            "strategy": strategy,
            "max_model_len": reach(model),
            "dialect": model.dialect,
            "flops_per_token": model.flops_per_token,
            "price": None,
        }


def reach(model: Any) -> int | None:
    """Tokens of prompt and completion together, or None where the model does not say."""
    return getattr(model, "max_positions", None) or getattr(model, "context", None)


def named(given: Sequence[str | LanguageModel]) -> dict[str, str | LanguageModel]:
    """The names under which models are served: `NAME=MODEL` says it, `openai:MODEL@URL` is served
    as MODEL, others by their own names. Raises BadInput for a name that two share."""
    found: dict[str, str | LanguageModel] = {}
    for item in given:
        name, place = _name(item)
        if name in found:
            raise BadInput(f"two models would be served as {name!r}; write other=NAME for one")
        found[name] = place
    if not found:
        raise BadInput("a server needs at least one model")
    return found


def _name(item: str | LanguageModel) -> tuple[str, str | LanguageModel]:
    if not isinstance(item, str):
        return _short(item.name), item
    name, equals, place = item.partition("=")
    if equals and name and "/" not in name and ":" not in name:
        return name, place
    return _short(item), item


def _short(name: str) -> str:
    kind, _, rest = name.partition(":")
    return rest.rpartition("@")[0] or rest if kind == "openai" else name
