"""Attacks on the sandbox, by what they aim at."""

from __future__ import annotations

from attacks import (
    calls,
    descriptors,
    files,
    frames,
    memory,
    network,
    output,
    processes,
    programs,
    sessions,
    signals,
    values,
    wire,
)
from attacks.case import Attack

ATTACKS: dict[str, Attack] = {
    case.name: case
    for module in (
        processes, signals, files, network, memory, output, descriptors, frames, programs, calls,
        values, sessions, wire,
    )
    for case in module.ATTACKS
}  # fmt: skip
"""Every attack by its name."""
