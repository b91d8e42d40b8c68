"""Fields of a request body, read one by one with their types; what is left over is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.server.errors import bad

HARMLESS = frozenset(
    {
        "metadata", "prompt_cache_key", "prompt_cache_retention", "request_id",
        "safety_identifier", "service_tier", "store", "user",
    }
)  # fmt: skip
"""Fields that change no completion, which clients send: taken and not used."""

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "best_of": (1,),
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "ignore_eos": (False,),
    "logit_bias": ({},),
    "min_tokens": (0,),
    "modalities": (["text"],),
    "parallel_tool_calls": (True, False),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "skip_special_tokens": (True,),
    "suffix": ("",),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "use_beam_search": (False,),
}
"""Fields that this server does not implement, with the values at which they do nothing."""


class Body:
    """A request body whose fields are taken by name and type. `null` is the same as absent."""

    def __init__(self, data: Any, where: str = "") -> None:
        if not isinstance(data, Mapping):
            raise bad(f"{where or 'the body'} must be a JSON object", where or None)
        self._where, self._left = where, dict(data)

    def any(self, name: str) -> Any:
        """The value as it stands, or None."""
        return self._left.pop(name, None)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean."""
        value = self.any(name)
        if not isinstance(value, bool | None):
            raise self._wrong(name, value, "true or false")
        return default if value is None else value

    def whole(self, name: str, least: int, most: int | None = None) -> int | None:
        """A whole number within bounds, or None."""
        value = self.any(name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        outside = isinstance(value, int) and (value < least or (most is not None and value > most))
        if isinstance(value, bool) or not isinstance(value, int) or outside:
            upto = "or more" if most is None else f"to {most}"
            raise self._wrong(name, value, f"a whole number, {least} {upto}")
        return value

    def number(self, name: str, default: float) -> float:
        """A number."""
        value = self.amount(name)
        return default if value is None else value

    def amount(self, name: str) -> float | None:
        """A finite number, or None."""
        value = self.any(name)
        if value is None:
            return None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not abs(value) < 1e300:
            raise self._wrong(name, value, "a number")
        return float(value)

    def text(self, name: str) -> str | None:
        """A string, or None."""
        value = self.any(name)
        if not isinstance(value, str | None):
            raise self._wrong(name, value, "a string")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A string or a list of strings, none of them empty."""
        value = self.any(name)
        found = [value] if isinstance(value, str) else [] if value is None else value
        if not isinstance(found, list) or not all(isinstance(x, str) and x for x in found):
            raise self._wrong(name, value, "a string or a list of strings, none of them empty")
        return tuple(found)

    def inner(self, name: str) -> Body | None:
        """An object whose fields are taken the same way, or None."""
        value = self.any(name)
        return None if value is None else Body(value, self._full(name))

    def rest(self) -> dict[str, Any]:
        """All fields not yet taken."""
        left, self._left = self._left, {}
        return left

    def finish(self) -> None:
        """Raise ApiError for a field that the server does not know or cannot honour."""
        for name, value in self._left.items():
            if (not self._where and name in HARMLESS) or value is None:
                continue
            if not self._where and name in NEUTRAL:
                if value not in NEUTRAL[name]:
                    raise bad(f"this server does not implement {name}; leave it out", name)
                continue
            raise bad(f"unknown field {self._full(name)!r}; leave it out", self._full(name))

    def _full(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name

    def _wrong(self, name: str, value: Any, want: str) -> Exception:
        shown = repr(value)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        return bad(f"{self._full(name)} must be {want}, not {shown}", self._full(name))
