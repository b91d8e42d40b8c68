"""RunLog: a run's folder, `run.json` and an append-only `events.jsonl`.

`run.json` holds the resolved settings, the versions, and the fingerprints of model and data.
`events.jsonl` has one JSON object a line, written in one piece and handed to the system at once, so
a killed process loses at most the line it was writing; that line is dropped when the log is opened
again. One process writes at a time: a lock on the file `lock` ends with its process.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import threading
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from evaluators.errors import BadInput, LabError

RUN, EVENTS, LOCK = "run.json", "events.jsonl", "lock"
_PACKAGES = ("reasoning-lab", "numpy", "torch", "transformers", "numba")


class LogBusy(LabError):
    """Another process, or another run of this one, writes into the folder."""


class RunLog:
    """An open run folder. Use it as a context manager, or call `close`.

    `settings` is what decides the result (JSON values). Opening a folder that holds a run needs
    `resume=True` and the same settings; otherwise BadInput says what differs. Raises LogBusy while
    another writer has the folder. `append` may be called from any thread.
    """

    def __init__(
        self, folder: str | Path, settings: Mapping[str, Any], *, resume: bool = False
    ) -> None:
        self.folder = Path(folder)
        self.settings = json.loads(json.dumps(settings))
        self._mutex = threading.Lock()
        self._broken: str | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = _take_lock(self.folder / LOCK)
            try:
                self._open(resume)
            except BaseException:
                self._lock.close()
                raise
        except OSError as error:
            raise LabError(
                f"the run folder {self.folder} cannot be written: {error}; name another folder"
            ) from error

    def _open(self, resume: bool) -> None:
        record = self.folder / RUN
        if record.exists():
            if not resume:
                raise BadInput(
                    f"{self.folder} already holds a run: resume it (resume=True, --resume) or name"
                    " another folder"
                )
            changes = differences(_read_record(record)["settings"], self.settings)
            if changes:
                raise BadInput(
                    f"{self.folder} was run with other settings; restore them or name another"
                    " folder. Changed: " + "; ".join(changes)
                )
        elif (self.folder / EVENTS).exists():
            raise BadInput(
                f"{self.folder} has {EVENTS} but no {RUN}, so nobody knows what was run; restore"
                f" {RUN} or name another folder"
            )
        else:
            _replace(record, {"settings": self.settings, "versions": versions()})
        path = self.folder / EVENTS
        self._size = _drop_half_line(path)
        binary = getattr(os, "O_BINARY", 0)  # Windows would write its own line ends
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | binary, 0o666)
        self.append("opened", versions=versions())

    def append(self, kind: str, **data: Any) -> None:
        """Write one event. Raises LabError when it cannot be written (a full disk); the log is cut
        back to its last whole line and takes no more events."""
        line = json.dumps({"kind": kind, **data}, ensure_ascii=False, separators=(",", ":"))
        raw = memoryview(line.encode("utf-8", "surrogatepass") + b"\n")
        with self._mutex:
            if self._broken:
                raise LabError(self._broken)
            try:
                written = 0
                while written < len(raw):
                    written += _write(self._file, raw[written:])
            except OSError as error:
                self._broken = (
                    f"the run log {self.folder / EVENTS} cannot be written: {error}. Everything"
                    " before is kept; make room, then resume"
                )
                os.ftruncate(self._file, self._size)
                raise LabError(self._broken) from error
            self._size += len(raw)

    def events(self) -> Iterator[dict[str, Any]]:
        """All events that the folder holds, in order."""
        return read_events(self.folder)

    def close(self) -> None:
        """End writing and let others open the folder."""
        with self._mutex:
            if self._broken != "closed":
                self._broken = "closed"
                os.close(self._file)
                self._lock.close()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_settings(folder: str | Path) -> dict[str, Any]:
    """The settings of a run folder. Raises BadInput where there is no run."""
    path = Path(folder) / RUN
    if not path.exists():
        raise BadInput(f"{folder} holds no run (no {RUN}); name a folder written with out=")
    return _read_record(path)["settings"]


def read_events(folder: str | Path) -> Iterator[dict[str, Any]]:
    """The events of a run folder, also while it is being written: a half-written last line is left
    out. Raises BadInput for a damaged line."""
    return read_lines(Path(folder) / EVENTS)


def read_lines(path: Path, mark: bytes = b"") -> Iterator[dict[str, Any]]:
    """The events of a file, or those whose line begins with `mark` (`{"kind":"cell",`): no other is
    taken apart."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            if not line.startswith(mark):
                continue
            try:
                yield json.loads(line.decode("utf-8", "surrogatepass"))
            except ValueError as error:
                raise BadInput(
                    f"line {number} of {path} is damaged ({error}); remove it, then resume"
                ) from error


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """What changed between two JSON values, as `"name: old -> new"`."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in sorted({*old, *new}):
            inner = f"{name}.{key}" if name else str(key)
            found += differences(old.get(key), new.get(key), inner)
        return found
    return [] if old == new else [f"{name}: {_short(old)} -> {_short(new)}"]


def versions() -> dict[str, str]:
    """The versions that a result may depend on: Python, platform, the packages that compute."""
    found = {"python": platform.python_version(), "platform": f"{sys.platform} {os.name}"}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _short(value: Any, limit: int = 80) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else text[:limit] + "…"


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise BadInput(f"{path} is damaged ({error}); restore it or name another folder") from error
    if not isinstance(record, dict) or "settings" not in record:
        raise BadInput(f"{path} holds no settings of a run; name another folder")
    return record


def _replace(path: Path, value: Any) -> None:
    """Write a whole file or nothing."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", "utf-8")
    os.replace(draft, path)


def _write(file: int, raw: memoryview) -> int:
    return os.write(file, raw)


def _drop_half_line(path: Path) -> int:
    """Cut what follows the last line end; returns the size in bytes."""
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        end = keep = file.seek(0, os.SEEK_END)
        while keep > 0:
            start = max(0, keep - 65536)
            file.seek(start)
            at = file.read(keep - start).rfind(b"\n")
            if at >= 0:
                keep = start + at + 1
                break
            keep = start
        if keep < end:
            file.truncate(keep)
        return keep


def _take_lock(path: Path) -> IO[bytes]:
    file = path.open("ab")
    try:
        if os.name == "nt":  # pragma: no cover - not run in CI
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise LogBusy(
            f"another run is writing into {path.parent}; wait for it, stop it, or name another"
            " folder"
        ) from error
    return file
