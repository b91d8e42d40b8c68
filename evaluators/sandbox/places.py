"""Which folders an interpreter needs to read: its own, its packages', the system's libraries."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

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


def python() -> str:
    """The interpreter itself, not a virtual environment's link to it."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def python_folders() -> list[str]:
    """Where the interpreter's own files lie: its prefix, under each name it goes by."""
    names = [sys.base_prefix, sys.base_exec_prefix]
    return list(dict.fromkeys([*names, *map(os.path.realpath, names), str(_prefix_of(python()))]))


def _prefix_of(executable: str) -> Path:
    return Path(executable).parent.parent


def library_folders() -> list[str]:
    """What of the system Landlock leaves readable: libraries, time zones, harmless devices."""
    libraries = [f"{top}/{name}" for top in ("", "/usr", "/usr/local") for name in ("lib", "lib64")]
    more = ["/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/nix/store"]
    return [*libraries, *more, "/dev/null", "/dev/zero", "/dev/urandom"]


def own_libraries() -> list[str]:
    """The folders of Python's own modules and shared libraries."""
    paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    return list(dict.fromkeys([*paths, *(f"{folder}/lib" for folder in python_folders())]))


def modules(preload: Iterable[str]) -> list[str]:
    """What the interpreter imports before it forks, `preload` and what goes with it."""
    names = [*ALWAYS, *_MORE]
    for name in preload:
        names.append(name)
        if name == "numpy":
            names += _WITH_NUMPY
    return list(dict.fromkeys(names))
