"""Which back-ends work here, found by trying each, and why the others do not."""

from __future__ import annotations

import platform
import shutil
import sys
import warnings
from dataclasses import dataclass
from functools import cache

from evaluators.errors import LabError
from evaluators.sandbox.backends import BACKENDS, STRONG
from evaluators.sandbox.outcome import Limits
from evaluators.sandbox.sandbox import NoSandbox, Sandbox, WeakSandbox

_GOOD = "def answer(x):\n    return x + 1\n"
_FORBIDDEN = {
    "opens a socket": "import socket\ndef answer(x):\n    return socket.socket().fileno()\n",
    "forks": "import os\ndef answer(x):\n    return os.fork()\n",
    "reads /proc": "def answer(x):\n    return open('/proc/self/maps').read()[:9]\n",
    "reads the user's files": "import os\ndef answer(x):\n    return len(os.listdir('/home'))\n",
}
_REMEDIES = {
    "uid map": "Ubuntu's AppArmor forbids user namespaces: `sudo sysctl -w "
    "kernel.apparmor_restrict_unprivileged_userns=0`, or install bubblewrap's profile",
    "new namespace": "namespaces are refused here, as in most containers: use `landlock`",
    "Operation not permitted": "namespaces or mounts are refused here, as in most containers: use "
    "`landlock`",
    "Landlock": "a kernel from 5.13 on with Landlock switched on has it",
    "seccomp": "a kernel with seccomp filters has it",
}


@dataclass(frozen=True)
class Probe:
    """Whether a back-end works here; `why` not, with the remedy, or what it isolates by."""

    works: bool
    why: str


def probe() -> dict[str, Probe]:
    """Each back-end's Probe, strongest first. Tried once per process (about 0.2 s each)."""
    return {backend: _tried(backend) for backend in BACKENDS}


def strongest() -> str:
    """The strongest back-end that works here. Raises NoSandbox, which says why each does not."""
    whys = []
    for backend in STRONG:
        found = _tried(backend)
        if found.works:
            return backend
        whys.append(f"{backend}: {found.why}")
    raise NoSandbox(
        "nothing isolates untrusted code here. " + " ".join(f"{why}." for why in whys) + " For "
        "code that you trust, name the back-end that does not isolate: sandbox='process' or "
        "--sandbox process."
    )


@cache
def _tried(backend: str) -> Probe:
    if backend == "process":
        return _try(backend, "isolates nothing: limits of time and memory only", {})
    if not sys.platform.startswith("linux"):
        return Probe(False, f"needs Linux, this is {platform.system()}")
    if backend == "bwrap" and shutil.which("bwrap") is None:
        return Probe(False, "bubblewrap is not installed (`apt install bubblewrap`)")
    by = {"bwrap": "namespaces and a filter of system calls"}
    return _try(backend, by.get(backend, "Landlock and a filter of system calls"), _FORBIDDEN)


def _try(backend: str, by: str, forbidden: dict[str, str]) -> Probe:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WeakSandbox)
            sandbox = Sandbox(backend, Limits(wall=20.0), preload=())
        with sandbox:
            good = sandbox.call(_GOOD, "answer", [1])
            if good.value != 2:
                return Probe(False, f"a good candidate fails: {good.verdict}: {good.reason}")
            for deed, source in forbidden.items():
                if sandbox.call(source, "answer", [1]).ok:
                    return Probe(False, f"does not isolate here: a candidate {deed}")
    except LabError as error:
        return Probe(False, _with_remedy(str(error)))
    return Probe(True, by)


def _with_remedy(complaint: str) -> str:
    for sign, remedy in _REMEDIES.items():
        if sign in complaint:
            return f"{complaint} ({remedy})"
    return complaint
