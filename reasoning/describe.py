"""What a run was made of, as plain data: settings of strategies and scorers, hash of problems.

A run log compares these, so that a resumed run is the run that was begun.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from evaluators.problem import Problem


def describe(value: Any) -> Any:
    """A setting as JSON values: a dataclass with its fields, a model by what identifies it."""
    if is_dataclass(value) and not isinstance(value, type):
        named = {f.name: describe(getattr(value, f.name)) for f in fields(value)}
        contents = getattr(value, "contents", None)  # of a file that a setting names
        if contents is not None:
            named["contents"] = describe(contents())
        return {"kind": type(value).__name__, **named}
    identity = getattr(value, "fingerprint", None)
    if identity is not None:
        return describe(dict(identity()))
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return {"kind": f"{type(value).__module__}.{type(value).__qualname__}"}


def fingerprint(problems: Sequence[Problem]) -> str:
    """A hash of the problems: ids, fields and reference answers."""
    digest = hashlib.blake2b(digest_size=16)
    for problem in problems:
        row = [problem.id, dict(problem.fields), problem.answer]
        text = json.dumps(row, sort_keys=True, ensure_ascii=False)
        digest.update(text.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()
