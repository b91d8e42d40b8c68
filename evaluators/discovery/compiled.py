"""numba's compiler, as every kernel of the discovery problems uses it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Any:
    """`numba.njit` without the interpreter's lock, cached on disk where there is a writable place.

    Floats are computed in the order written (no fast-math).
    """
    make = partial(numba.njit, nogil=True, error_model="numpy")
    try:
        return make(cache=True)(function)
    except RuntimeError:  # no writable cache directory at all: compile in every process
        return make()(function)
