"""Which folders an interpreter needs to read: its own, its packages', the system's libraries."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterable

ALWAYS = ("math", "heapq", "bisect", "copy", "re", "typing", "collections", "itertools")
_MORE = ("functools", "operator", "string", "dataclasses", "linecache")
_WITH_NUMPY = ("numpy.random", "numpy.linalg")


def package_folders(preload: Iterable[str] = ()) -> list[str]:
    """Folders of installed packages, and those that hold `preload`."""
    folders = [
        path
        for path in sys.path
        if os.path.basename(path) in ("site-packages", "dist-packages") and os.path.isdir(path)
    ]
    for name in preload:
        try:
            spec = importlib.util.find_spec(name.partition(".")[0])
        except (ImportError, ValueError):
            continue
        for location in (spec.submodule_search_locations or ()) if spec else ():
            folders.append(os.path.dirname(os.path.abspath(location)))
    return list(dict.fromkeys(folders))


def modules(preload: Iterable[str]) -> list[str]:
    """What the interpreter imports before it forks, `preload` and what goes with it."""
    names = [*ALWAYS, *_MORE]
    for name in preload:
        names.append(name)
        if name == "numpy":
            names += _WITH_NUMPY
    return list(dict.fromkeys(names))
