"""Untrusted code: run where it can do no harm, its answers taken as plain data.

```python
with Sandbox() as sandbox:
    outcome = sandbox.call("def f(x):\\n    return x + 1", "f", [1])   # verdict ok, value 2
```

A warm interpreter (`warm`) is confined once; it forks one child for each call, which is confined
further, runs the candidate and writes one answer. `bwrap` confines by namespaces (no network, no
other process, no file but the interpreter's and the system's libraries, read-only), `landlock` by
the kernel's Landlock; both by a filter of system calls (`seccomp`) that lets through what Python
and numpy need. Called as root, the interpreter becomes a user of its own first. Verdict, time and
memory are measured by trusted processes; the answer is decoded as plain data (`codec`), so a forged
answer is an answer to be checked, never a score.

Protects against: endless and blocking code, memory, processes, threads, floods of output, reading
what the user's files hold, writing anywhere, the network, signals and debugging of other processes,
exits, forged or poisoned answers, and what one candidate could leave behind for the next.

Does not protect against: bugs of the kernel within the calls that are allowed, channels in time and
caches, heat. A candidate may read the interpreter's and the system's libraries and the installed
packages; under `landlock` it may also learn which files exist and how long they are (not what is in
them). A candidate rules its own process: an answer says nothing of how it was found, and what else
stands in the call's source and arguments is in its reach. The back-end `process` isolates nothing.
Tried on Linux with x86_64; the tables for aarch64 are untested, and elsewhere only `process` runs.
"""

from evaluators.sandbox.outcome import ENDINGS, Ending, Limits, Outcome
from evaluators.sandbox.probe import Probe, probe, strongest
from evaluators.sandbox.sandbox import NoSandbox, Sandbox, Session, WeakSandbox

__all__ = [
    "ENDINGS",
    "Ending",
    "Limits",
    "NoSandbox",
    "Outcome",
    "Probe",
    "Sandbox",
    "Session",
    "WeakSandbox",
    "probe",
    "strongest",
]
