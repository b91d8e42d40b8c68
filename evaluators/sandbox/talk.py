"""One exchange with a child: send the call, gather frames until an answer, the end or the deadline.

Trusted side. Frames are cut apart here and not read: `ending` judges them.
"""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass, field

from evaluators.sandbox.outcome import Limits

_HEAD = 5  # kind and length
_CHUNK = 1 << 18
_SLACK = 4096  # an E frame or the text around an answer may exceed the caps by this
_FRAMES_ROOM = 6  # bytes sent for one byte printed, if each stood in a frame of its own


@dataclass
class Heard:
    """What a child said so far: the frame that answers (`kind` R or E, else empty), printed bytes,
    how it went: past the deadline (`late`), more than the caps allow (`flood`), channel at its end
    (`closed`)."""

    kind: str = ""
    body: bytearray = field(default_factory=bytearray)
    printed: bytearray = field(default_factory=bytearray)
    late: bool = False
    flood: bool = False
    closed: bool = False
    rest: bytearray = field(default_factory=bytearray)
    total: int = 0


def exchange(
    channel: socket.socket,
    control: socket.socket,
    message: bytes,
    limits: Limits,
) -> Heard:
    """Send `message` and listen until an answer, the child's end, a flood or the deadline.

    Returns as soon as one answer is whole; the caller finds out how the child ended.
    """
    heard = Heard()
    deadline = time.monotonic() + limits.wall
    data = memoryview(message)
    channel_fd, control_fd = channel.fileno(), control.fileno()
    poll = select.poll()
    poll.register(control_fd, select.POLLIN)
    data = _send(channel, data)
    poll.register(channel_fd, select.POLLIN | (select.POLLOUT if data else 0))
    gone = False
    while not heard.kind and not heard.flood and not heard.closed:
        left = deadline - time.monotonic()
        if left <= 0:
            heard.late = True
            break
        events = dict(poll.poll(left * 1000 + 1))
        if events.get(channel_fd, 0) & ~select.POLLOUT:
            _receive(channel, heard, limits)
        elif events.get(channel_fd, 0) and data:
            data = _send(channel, data)
            if not data:
                poll.modify(channel_fd, select.POLLIN)
        elif control_fd in events:
            if gone:
                break
            gone = True  # once more: what the child wrote last may lie in the channel
            _receive(channel, heard, limits)
    return heard


def drain(channel: socket.socket, heard: Heard, limits: Limits) -> None:
    """After the child's end: take what it wrote last, as far as it does not flood."""
    while not heard.closed and not heard.flood:
        if not _receive(channel, heard, limits):
            break


def _send(channel: socket.socket, data: memoryview) -> memoryview:
    try:
        while data:
            data = data[channel.send(data) :]
    except BlockingIOError:
        return data
    except OSError:  # the child is gone or reads no more: what it said tells
        return memoryview(b"")
    return data


def _receive(channel: socket.socket, heard: Heard, limits: Limits) -> bool:
    """Read what is there into `heard`; False if there is nothing (yet)."""
    try:
        part = channel.recv(_CHUNK)
    except BlockingIOError:
        return False
    except OSError:
        part = b""
    if not part:
        heard.closed = True
        return False
    heard.rest += part
    heard.total += len(part)
    _cut(heard, limits)
    return True


def _cut(heard: Heard, limits: Limits) -> None:
    rest = heard.rest
    allowed = limits.output_bytes + limits.printed_bytes * _FRAMES_ROOM + 2 * _SLACK
    while len(rest) >= _HEAD and not heard.kind:
        kind = chr(rest[0])
        size = int.from_bytes(rest[1:_HEAD], "big")
        cap = limits.printed_bytes if kind == "P" else limits.output_bytes
        if kind not in "PRE" or size > cap + _SLACK:
            heard.flood = True
            return
        if len(rest) < _HEAD + size:
            return
        body = rest[_HEAD : _HEAD + size]
        del rest[: _HEAD + size]
        if kind == "P":
            heard.printed += body
        else:
            heard.kind, heard.body = kind, body
    if (heard.kind and rest) or heard.total > allowed:
        heard.flood = True
