"""Attacks over sockets. What counts outside: no listener of the world gets anything."""

# ruff: noqa: E501 (lines of candidates)
from __future__ import annotations

from functools import partial

from attacks.case import SHORT, Attack, attack

case = partial(attack, "network")

CONNECT = """
import socket

def attack(world):
    s = socket.socket({kind})
    s.settimeout(0.5)
    {action}
    return world["breach"] + " connected"
"""


def connect(name: str, kind: str, action: str) -> Attack:
    """One socket, one use of it."""
    return case(name, CONNECT.format(kind=kind, action=action))


def opened(name: str, kind: str) -> Attack:
    """A kind of socket that may not even be made."""
    return connect(name, kind, "pass")


ATTACKS: list[Attack] = [
    connect("tcp", "", 's.connect(("127.0.0.1", world["tcp"])); s.send(b"x")'),
    connect("tcp-by-name", "", 's.connect(("localhost", world["tcp"])); s.send(b"x")'),
    connect("tcp-6", "socket.AF_INET6", 's.connect(("::ffff:127.0.0.1", world["tcp"]))'),
    connect("tcp-without-connect", "", 's.sendto(b"x", 0x20000000, ("127.0.0.1", world["tcp"]))'),
    connect(
        "udp", "socket.AF_INET, socket.SOCK_DGRAM", 's.sendto(b"x", ("127.0.0.1", world["udp"]))'
    ),
    connect("unix-path", "socket.AF_UNIX", 's.connect(world["unix"])'),
    connect("unix-abstract", "socket.AF_UNIX", 's.connect("\\0" + world["mark"])'),
    connect(
        "unix-datagram",
        "socket.AF_UNIX, socket.SOCK_DGRAM",
        's.sendto(b"x", world["unix_datagram"])',
    ),
    connect("listen-tcp", "", 's.bind(("127.0.0.1", 0)); s.listen()'),
    connect("listen-unix", "socket.AF_UNIX", 's.bind("\\0" + world["mark"] + "-mine"); s.listen()'),
    opened("netlink", "socket.AF_NETLINK, socket.SOCK_RAW, 0"),
    opened("raw-socket", "socket.AF_INET, socket.SOCK_RAW, 1"),
    opened("ping-socket", "socket.AF_INET, socket.SOCK_DGRAM, 1"),
    opened("packet-socket", "socket.AF_PACKET, socket.SOCK_RAW, 3"),
    opened("crypto-socket", "socket.AF_ALG, socket.SOCK_SEQPACKET"),
    opened("machine-socket", "socket.AF_VSOCK, socket.SOCK_STREAM"),
    case(
        "socket-pair",
        """
        import socket

        def attack(world):
            a, b = socket.socketpair()
            a.send(b"x")
            return world["breach"] + str(b.recv(1))
        """,
    ),
    case(
        "web-request",
        """
        import urllib.request

        def attack(world):
            urllib.request.urlopen("http://127.0.0.1:%d/" % world["tcp"], timeout=0.5)
            return world["breach"]
        """,
        "exception forbidden crashed timeout",
    ),
    case(
        "name-lookup",
        """
        import socket

        def attack(world):
            return world["breach"] + str(socket.getaddrinfo("example.org", 80))
        """,
        limits=SHORT,
    ),
    case(
        "asynchronous-connection",
        """
        import asyncio

        def attack(world):
            async def main():
                await asyncio.open_connection("127.0.0.1", world["tcp"])
                return world["breach"]
            return asyncio.run(main())
        """,
    ),
    case(
        "socket-by-library",
        """
        import ctypes, struct

        def attack(world):
            libc = ctypes.CDLL(None, use_errno=True)
            fd = libc.socket(2, 1, 0)
            address = struct.pack("<H", 2) + struct.pack(">H", world["tcp"]) + bytes([127, 0, 0, 1]) + bytes(8)
            return fd >= 0 and libc.connect(fd, address, 16) == 0 and world["breach"]
        """,
    ),
    case(
        "socket-by-number",
        """
        import ctypes, struct

        def attack(world):
            call = ctypes.CDLL(None, use_errno=True).syscall
            fd = call(41, 2, 1, 0)
            address = struct.pack("<H", 2) + struct.pack(">H", world["tcp"]) + bytes([127, 0, 0, 1]) + bytes(8)
            return fd >= 0 and call(42, fd, address, 16) == 0 and world["breach"]
        """,
        machine="x86_64",
    ),
    case(
        "use-inherited-sockets",
        """
        import socket

        def attack(world):
            found = []
            for fd in range(64):
                try:
                    s = socket.socket(fileno=fd)
                    found.append((fd, str(s.family), str(s.getsockname()), str(s.getpeername())))
                    s.detach()
                except OSError:
                    pass
            return found and any("AF_INET" in str(f) for f in found) and world["breach"] + str(found)
        """,
    ),
    case(
        "send-a-descriptor",
        """
        import array, os, socket

        def attack(world):
            for fd in range(64):
                try:
                    s = socket.socket(fileno=os.dup(fd))
                    s.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
                except OSError:
                    continue
                return world["breach"] + str(fd)
        """,
    ),
]
