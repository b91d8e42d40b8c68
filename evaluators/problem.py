"""A problem: one question of a task, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One question.

    `id` is unique inside a run and names its task (`"expressions/17"`). `fields` is what the task
    renders into a prompt and what its verifier reads (JSON values only). `answer` is the reference
    answer where there is one; tasks whose answers can only be checked (countdown) leave it `None`.
    `meta` is free for provenance (difficulty, seed, source line).
    """

    id: str
    fields: Mapping[str, Any]
    answer: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
