"""Limits: what the server takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the server takes: requests at once, bytes of a body, prompts x n of one request,
    tokens that one request may spend on a strategy."""

    requests: int = 256
    body: int = 4_000_000
    choices: int = 128
    spend: int = 1_000_000
