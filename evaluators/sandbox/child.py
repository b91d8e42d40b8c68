"""One candidate, in the forked child: read the call, run it, write what came of it.

Runs inside, after the limits and the filter are in place. Everything here lies within the
candidate's reach, so nothing that it writes is believed: the trusted side takes the verdict from
how the process ended, and the answer as data to be checked.

A frame is its kind (one byte), the length of its body (4 bytes, big-endian) and the body: `P`
printed text, `R` an encoded value, `E` an encoded description of what went wrong.
"""

from __future__ import annotations

import io
import marshal
import os
import sys
from types import ModuleType, TracebackType
from typing import Any, NoReturn

from evaluators.sandbox.codec import CannotCross, decode, encode

CHANNEL = 3
NAME = "<candidate>"
BASE_ERRNO = 1000
"""The filter refuses the system call number n with the error number 1000 + n."""
MAX_MESSAGE = 500
_SIMPLE = frozenset({type(None), bool, int, float, str})
_EROFS, _EACCES, _EPERM = 30, 13, 1


def run(printed_bytes: int, output_bytes: int) -> NoReturn:
    """Serve the channel until its other end closes or a message says it is the last."""
    global _output_bytes, _printed
    _output_bytes = output_bytes
    try:
        sys.stdout = sys.stderr = _printed = Printed(printed_bytes)
        sys.stdin = io.StringIO()
        module = ModuleType("candidate")
        sys.modules["candidate"] = module
        last = False
        while not last:
            body = _receive()
            if body is None:
                break
            source, function, arguments, last = read_call(body)
            del body
            kind, answer = _answer(module, source, function, arguments)
            del arguments
            _reply(kind, answer)
    finally:
        os._exit(0)


def write_call(source: str | None, function: str, arguments: list[Any], last: bool) -> bytes:
    """A call as a message, on the trusted side. Raises CannotCross for what is no plain data.

    This way nothing has to be doubted, so marshal may carry it, whose reading costs next to
    nothing; whatever is more than numbers and texts the codec carries within.
    """
    simple = all(type(x) in _SIMPLE for x in arguments)
    body = marshal.dumps((source, function, last, arguments if simple else encode(arguments)))
    return len(body).to_bytes(4, "big") + body


def read_call(body: bytearray) -> tuple[str | None, str, list[Any], bool]:
    """The inverse of `write_call`, without the length."""
    source, function, last, arguments = marshal.loads(body)
    if type(arguments) is bytes:
        arguments = decode(bytearray(arguments))
    return source, function, arguments, last


def rehearse() -> None:
    """Run what every child runs, in the interpreter that forks them, so that its code has settled
    (Python adapts code while it runs, and what a child changes has to be copied for it)."""
    source = "import math\ndef f(x, *more):\n    return [x + 1, math.pi]\n"
    for k in range(64):
        body = bytearray(write_call(source, "f", [k, [k]][: 1 + k % 2], True)[4:])
        source, function, arguments, _ = read_call(body)
        kind, answer = _answer(ModuleType("candidate"), source, function, arguments)
        assert kind == b"R" and decode(answer)[0] == k + 1


def ask(value: Any) -> list[Any]:
    """Answer the session's current call with `value`, wait for the next call and return its
    arguments: for a program that needs something from outside in the middle of its work.

    Raises CannotCross where `value` is no plain data; ends the process where no call comes.
    """
    _reply(b"R", encode(value))
    body = _receive()
    if body is None:
        os._exit(0)
    return read_call(body)[2]


def _reply(kind: bytes, answer: bytes) -> None:
    if len(answer) > _output_bytes:
        text = f"the answer has {len(answer)} bytes; the limit is {_output_bytes}"
        kind, answer = b"E", _failure("bad_output", text)
    if _printed is not None:
        _printed.flush()
    _send(kind, answer)


class Printed(io.TextIOBase):
    """Standard output and error of a candidate: whole lines go out as frames, up to a cap."""

    encoding = "utf-8"  # type: ignore[assignment]

    def __init__(self, room: int) -> None:
        self.room = room
        self.held = ""

    def write(self, text: str) -> int:
        if self.room > 0:
            self.held += text[: self.room]
            if "\n" in text or len(self.held) > 1024:
                self.flush()
        return len(text)

    def flush(self) -> None:
        if self.held:
            data = self.held.encode("utf-8", "replace")[: self.room]
            self.held = ""
            self.room -= len(data)
            if data:
                _send(b"P", data)

    def writable(self) -> bool:
        return True


_output_bytes = 0  # both set in each child
_printed: Printed | None = None


def _answer(module: ModuleType, source: Any, function: str, arguments: Any) -> tuple[bytes, bytes]:
    try:
        if source is not None:
            exec(compile(source, NAME, "exec", dont_inherit=True), module.__dict__)
        if not callable(module.__dict__.get(function)):
            return b"E", _failure("exception", f"the source defines no function {function!r}")
        value = module.__dict__[function](*arguments)
    except BaseException as error:
        return b"E", _describe(error)
    try:
        return b"R", encode(value)
    except CannotCross as error:
        return b"E", _failure("bad_output", str(error))
    except MemoryError:
        return b"E", _failure("memory", "MemoryError while the answer was written")


def _describe(error: BaseException) -> bytes:
    line = _line(error.__traceback__)
    try:
        if isinstance(error, SyntaxError) and error.filename == NAME:
            line, text = error.lineno, str(error.msg)
        else:
            text = str(error)
        text = text[:MAX_MESSAGE]
    except BaseException:
        text = "(its message cannot be read)"
    kind, code = "exception", None
    if isinstance(error, MemoryError):
        kind = "memory"
    elif isinstance(error, SystemExit):
        kind = "crashed"
    elif isinstance(error, OSError) and isinstance(error.errno, int):
        code = error.errno
        if code > BASE_ERRNO or code in (_EROFS, _EACCES, _EPERM):
            kind = "forbidden"
    elif isinstance(error, RuntimeError) and "start new thread" in text:
        kind = "forbidden"
    return _failure(kind, f"{type(error).__name__}: {text}" if text else type(error).__name__,
                    line if isinstance(line, int) else None, code)  # fmt: skip


def _line(trace: TracebackType | None) -> int | None:
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == NAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _failure(kind: str, text: str, line: int | None = None, code: int | None = None) -> bytes:
    text = text.encode("utf-8", "replace").decode()
    return encode([kind, text, line, code])


def _receive() -> bytearray | None:
    head = _read(4)
    return None if head is None else _read(int.from_bytes(head, "big"))


def _read(size: int) -> bytearray | None:
    data = bytearray()
    while len(data) < size:
        part = os.read(CHANNEL, min(size - len(data), 1 << 20))
        if not part:
            return None
        data += part
    return data


def _send(kind: bytes, body: bytes) -> None:
    data = memoryview(kind + len(body).to_bytes(4, "big") + body)
    while data:
        data = data[os.write(CHANNEL, data) :]
