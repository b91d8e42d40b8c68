"""The messages between the supervisor and the warm interpreter, fixed in length, for both sides."""

from __future__ import annotations

import struct

REQUEST = struct.Struct("<cIdQIQQ")
"""Operation, serial, processor seconds, bytes of memory, descriptors, bytes printed, of output."""
FORK, KILL, USAGE, QUIT = b"F", b"K", b"U", b"Q"

STATUS = struct.Struct("<IiddQ")
"""Serial, wait status (NOT_FORKED if there was no child), user and system seconds, peak kB."""
NOT_FORKED = -1
