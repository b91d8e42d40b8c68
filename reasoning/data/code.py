"""A hash of the code that objects run: what tells whether a parsed row is still what would be made.

It covers the source of the objects' classes and functions, of the modules that hold them and of all
modules of the same packages that these import, and the versions of the other packages.
"""

from __future__ import annotations

import ast
import inspect
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

_LOADED = time.time()


def code_of(objects: Iterable[Any]) -> str | None:
    """The hash of what the objects, and the objects in their settings, run.

    None where it cannot be told: a class or function without source, or a file that was edited
    after this process had begun, so that what is loaded may be the older text.
    """
    made = blake2b(digest_size=12)
    files: dict[Path, str] = {}
    found = [each for thing in objects for each in _inside(thing, set())]
    for kind in sorted({k for k in found if not isinstance(k, str)}, key=_named):
        try:
            made.update(f"{_named(kind)}\n{inspect.getsource(kind)}\n".encode())
        except (OSError, TypeError):
            return None
        module = sys.modules.get(kind.__module__)
        file = getattr(module, "__file__", None)
        if file is not None and kind.__module__ != "__main__":
            reach(kind.__module__, Path(file), files)
    for state in sorted({text for text in found if isinstance(text, str)}):
        made.update(f"{state}\n".encode("utf-8", "surrogatepass"))
    others: set[str] = set()
    for path, name in sorted(files.items(), key=lambda item: item[1]):
        stat = path.stat()
        if stat.st_mtime > _LOADED:
            return None
        digest, _, beside = _read(path, name, stat.st_mtime_ns)
        made.update(f"{name} {digest}\n".encode())
        others |= beside
    for name in sorted(others):
        made.update(f"{name} {_version(name)}\n".encode())
    return made.hexdigest()


def kinds(thing: Any) -> Iterator[type | FunctionType]:
    """The classes of an object and of the objects in its settings, with the classes that they
    derive from, and the functions among them; built-in ones are left out."""
    return (each for each in _inside(thing, set()) if not isinstance(each, str))


def _inside(thing: Any, seen: set[int]) -> Iterator[type | FunctionType | str]:
    """`kinds`, and a text for each plain value that an object without fields holds: fields are
    told with the settings, what else an object remembers is not."""
    if id(thing) in seen or isinstance(thing, (str, bytes, int, float)) or thing is None:
        return
    seen.add(id(thing))
    if isinstance(thing, dict):
        thing = list(thing.values())
    elif isinstance(thing, partial):
        yield repr([a for a in (*thing.args, *thing.keywords.items()) if _is_plain(a)])
        thing = [thing.func, *thing.args, *thing.keywords.values()]
    elif isinstance(thing, MethodType):
        thing = [thing.__func__, thing.__self__]
    if isinstance(thing, (list, tuple, set, frozenset)):
        for item in thing:
            yield from _inside(item, seen)
        return
    if isinstance(thing, FunctionType):
        if _foreign(thing):
            return
        yield thing
        cells = [*(thing.__defaults__ or ()), *(c.cell_contents for c in thing.__closure__ or ())]
        yield f"{_named(thing)} {[c for c in cells if _is_plain(c)]!r}"
        yield from _inside(cells, seen)
        return
    yield from (k for k in type(thing).__mro__ if not _foreign(k))
    if is_dataclass(thing):
        for field in fields(thing):
            if field.name != "problems":
                yield from _inside(getattr(thing, field.name), seen)
    elif not isinstance(thing, type) and _ours(type(thing)):
        for name, value in sorted(vars(thing).items()):
            if _is_plain(value):
                yield f"{_named(type(thing))}.{name} {value!r}"
            else:
                yield from _inside(value, seen)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, bytes, bool, int, float))


def _foreign(kind: type | FunctionType) -> bool:
    """Of the standard library."""
    return (kind.__module__ or "").partition(".")[0] in sys.stdlib_module_names - {"__main__"}


def _ours(kind: type) -> bool:
    """Whether an object's own memory is looked into: not that of models, which tell who they are,
    nor of installed packages' objects."""
    if callable(getattr(kind, "fingerprint", None)) or _foreign(kind):
        return False
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    parts = () if file is None else Path(file).parts
    return not {"site-packages", "dist-packages"} & set(parts)


def models_of(thing: Any) -> list[Any]:
    """The models in an object's settings (a scorer's own): what has a fingerprint."""
    if isinstance(thing, (list, tuple)):
        return [found for item in thing for found in models_of(item)]
    if isinstance(thing, dict):
        return models_of(list(thing.values()))
    if not isinstance(thing, type) and callable(getattr(thing, "fingerprint", None)):
        return [thing]
    if is_dataclass(thing) and not isinstance(thing, type):
        return models_of([getattr(thing, f.name) for f in fields(thing) if f.name != "problems"])
    return []


def reach(module: str, path: Path, found: dict[Path, str]) -> None:
    """Put the file of a module and those of the modules of the same packages that it imports,
    directly or not, into `found` (file -> module name)."""
    root = path.parents[module.count(".") + (path.name == "__init__.py")]
    waiting = [(module, path)]
    while waiting:
        name, file = waiting.pop()
        if file in found:
            continue
        found[file] = name
        for wanted in _read(file, name, file.stat().st_mtime_ns)[1]:
            place = _file(root, wanted)
            if place is not None:
                waiting.append((wanted, place))


@lru_cache(maxsize=4096)
def _read(path: Path, name: str, _changed: int) -> tuple[str, frozenset[str], frozenset[str]]:
    """A file's hash, the modules of its own root that it may import, and the other packages."""
    raw = path.read_bytes()
    digest = blake2b(raw, digest_size=12).hexdigest()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    root = path.parents[name.count(".") + (path.name == "__init__.py")]
    wanted: set[str] = set()
    try:
        tree = ast.parse(raw)
    except SyntaxError:
        return digest, frozenset(), frozenset()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            wanted.add(base)
            wanted |= {f"{base}.{alias.name}" for alias in node.names}
    tops = {module.partition(".")[0] for module in wanted} - {""} - sys.stdlib_module_names
    ours = {t for t in tops if _followed(root, t, name.partition(".")[0])}
    own = {m for m in wanted if m.partition(".")[0] in ours and _file(root, m) is not None}
    return digest, frozenset(own), frozenset(tops - ours)


def _followed(root: Path, top: str, own: str) -> bool:
    """Whether a package is read, not only named with its version: the module's own, ours, and
    those that stand beside it outside a folder of installed packages."""
    if top in ("evaluators", "reasoning", "search", own):
        return True
    installed = root.name in ("site-packages", "dist-packages")
    return not installed and _file(root, top) is not None


def _file(root: Path, module: str) -> Path | None:
    place = root.joinpath(*module.split("."))
    for file in (place.with_name(place.name + ".py"), place / "__init__.py"):
        if module and file.is_file():
            return file
    return None


@lru_cache(maxsize=256)
def _version(name: str) -> str:
    for spelled in (name, name.replace("_", "-")):
        try:
            return metadata.version(spelled)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def _named(kind: type | FunctionType) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
