"""Whether a text has the form that a sampling asks for, where no server enforces it."""

from __future__ import annotations

import json
import re
from typing import Any

from evaluators.errors import BadInput
from reasoning.core import Sampling


def fitting(text: str, sampling: Sampling) -> str | None:
    """The text, or the text without the white space around it, if it has the form that is asked
    for; else None. Raises BadInput for a form that is itself wrong."""
    for candidate in (text, text.strip()):
        if _fits(candidate, sampling):
            return candidate
    return None


def schema_of(text: str) -> Any:
    """A JSON schema out of its text. Raises BadInput."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(f"the schema is no JSON: {error}") from error


def _fits(text: str, sampling: Sampling) -> bool:
    if sampling.choices:
        return text in sampling.choices
    if sampling.regex is not None:
        try:
            return re.fullmatch(sampling.regex, text) is not None
        except re.error as error:
            raise BadInput(f"{sampling.regex!r} is no regular expression: {error}") from error
    return sampling.schema is None or _valid(text, schema_of(sampling.schema))


def _valid(text: str, schema: Any) -> bool:
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for

    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise BadInput(f"the schema is no JSON schema: {error.message}") from error
    try:
        return kind(schema).is_valid(json.loads(text))
    except ValueError:
        return False
