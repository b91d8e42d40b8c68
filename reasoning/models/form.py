"""Whether a text has the form that a sampling asks for, where no server enforces it."""

from __future__ import annotations

import json
import re

from evaluators.errors import BadInput
from reasoning.core import Sampling


def fitting(text: str, sampling: Sampling) -> str | None:
    """The text, or the text without the white space around it, if it has the form that is asked
    for; else None. Raises BadInput for a form that is itself wrong."""
    for candidate in (text, text.strip()):
        if _fits(candidate, sampling):
            return candidate
    return None


def _fits(text: str, sampling: Sampling) -> bool:
    if sampling.choices:
        return text in sampling.choices
    if sampling.regex is not None:
        try:
            return re.fullmatch(sampling.regex, text) is not None
        except re.error as error:
            raise BadInput(f"{sampling.regex!r} is no regular expression: {error}") from error
    if sampling.schema is None:
        return True
    import jsonschema

    try:
        value = json.loads(text)
    except ValueError:
        return False
    try:
        jsonschema.validate(value, json.loads(sampling.schema))
    except jsonschema.ValidationError:
        return False
    except (jsonschema.SchemaError, ValueError) as error:
        raise BadInput(f"the schema is no JSON schema: {error}") from error
    return True
