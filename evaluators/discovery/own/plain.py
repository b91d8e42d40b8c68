"""Answers as JSON values and back, and their digest: plain data as the sandbox returns it."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_json(value: Any) -> Any:
    """JSON values from which `from_json` makes an equal value; what JSON lacks becomes an object
    with one key such as "$tuple"."""
    if isinstance(value, np.ndarray):
        if value.dtype.str[1:] in ("f16", "c32"):  # longer than JSON's numbers
            value = value.astype("f8" if value.dtype.kind == "f" else "c16")
        flat = value.ravel()
        numbers = flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat
        return {"$array": [value.dtype.str, list(value.shape), to_json(numbers.tolist())]}
    if isinstance(value, list):
        return [to_json(v) for v in value]
    if isinstance(value, dict):
        if all(isinstance(k, str) and not k.startswith("$") for k in value):
            return {k: to_json(v) for k, v in value.items()}
        return {"$dict": [[to_json(k), to_json(v)] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {"$tuple": [to_json(v) for v in value]}
    if isinstance(value, set | frozenset):
        return {f"${type(value).__name__}": sorted((to_json(v) for v in value), key=repr)}
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, complex):
        return {"$complex": [repr(value.real), repr(value.imag)]}
    if isinstance(value, float) and (value != value or value in (np.inf, -np.inf)):
        return {"$float": repr(value)}
    return value


def from_json(value: Any) -> Any:
    """The inverse of `to_json`. Raises ValueError, TypeError or KeyError for what is none."""
    if isinstance(value, list):
        return [from_json(v) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or not next(iter(value)).startswith("$"):
        return {k: from_json(v) for k, v in value.items()}
    (kind, held), *_ = value.items()
    if kind == "$array":
        kind, shape, numbers = held
        if np.dtype(kind).kind not in "biufc":
            raise ValueError(f"an array of {kind}")
        dtype = np.dtype(kind)
        real = np.dtype(f"f{dtype.itemsize // 2}") if dtype.kind == "c" else dtype
        return np.array(from_json(numbers), real).view(dtype).reshape(shape)
    if kind == "$dict":
        return {from_json(k): from_json(v) for k, v in held}
    if kind == "$bytes":
        return bytes.fromhex(held)
    if kind == "$complex":
        return complex(float(held[0]), float(held[1]))
    if kind == "$float":
        return float(held)
    return {"$tuple": tuple, "$set": set, "$frozenset": frozenset}[kind](map(from_json, held))


def digest(value: Any, into: Any) -> None:
    """Feed a value to a hash (of hashlib); equal values of equal types feed equal bytes."""
    if isinstance(value, np.ndarray):
        into.update(f"array{value.dtype.str}{value.shape}".encode())
        into.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, list | tuple):
        into.update(f"{type(value).__name__}{len(value)}".encode())
        for part in value:
            digest(part, into)
    elif isinstance(value, dict):
        into.update(f"dict{len(value)}".encode())
        for key, part in value.items():
            digest(key, into)
            digest(part, into)
    elif isinstance(value, set | frozenset):
        into.update(f"set{sorted(map(repr, value))}".encode())
    else:
        into.update(f"{type(value).__name__}:{value!r};".encode())
