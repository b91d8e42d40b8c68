"""The command that starts a program in namespaces of its own, with next to no files in sight."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache", "/nix/store")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
_RIGHTS = ("CAP_SETUID", "CAP_SETGID", "CAP_DAC_READ_SEARCH")


def command(folders: Sequence[str]) -> list[str]:
    """bubblewrap's command line, to which the program's own is appended.

    Inside are the system's libraries, `folders` and three devices, all read-only; no network, no
    /proc, no other process. Root starts it without a user namespace, so that the program can
    become a user that nothing outside belongs to; it keeps what it needs for that and no more.
    """
    line = [shutil.which("bwrap") or "bwrap"]
    line += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    line += ["--unshare-cgroup-try", "--as-pid-1", "--cap-drop", "ALL"]
    if os.getuid() == 0:
        for right in _RIGHTS:
            line += ["--cap-add", right]
    else:
        line += ["--unshare-user"]
    made = {"/"}
    for place in _SYSTEM:
        if os.path.islink(place):
            line += ["--symlink", os.readlink(place), place]
        elif os.path.exists(place):
            line += [*_parents(place, made), "--ro-bind", place, place]
    for folder in folders:
        if not _under(folder, _SYSTEM):
            line += [*_parents(folder, made), "--ro-bind", folder, folder]
    for device in _DEVICES:
        line += [*_parents(device, made), "--dev-bind", device, device]
    return [*line, "--remount-ro", "/", "--chdir", "/", "--"]


def _parents(place: str, made: set[str]) -> list[str]:
    """Options that make the folders above `place`, open to all (bubblewrap's own are not)."""
    options = []
    parent = os.path.dirname(place)
    if parent not in made:
        options = [*_parents(parent, made), "--perms", "0755", "--dir", parent]
        made.add(parent)
    return options


def _under(folder: str, places: Sequence[str]) -> bool:
    return any(folder == place or folder.startswith(place + "/") for place in places)
