"""What a run was made of, as plain data: see `reasoning.describe`, which collection uses too."""

from __future__ import annotations

from reasoning.describe import describe, fingerprint

__all__ = ["describe", "fingerprint"]
