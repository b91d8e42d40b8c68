"""Every attack, on both strong back-ends, as root and as an ordinary user, must be contained.

The attacks are in `attacks/`, by what they aim at. After each, a good candidate must score right
in the same sandbox. Where nothing contains them, they get through: that is tested as well.
"""

from __future__ import annotations

import functools
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from attacks import ATTACKS, runner

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the strong back-ends are Linux's"),
]

BACKENDS = ("bwrap", "landlock")
USERS = ("root", "ordinary user") if os.geteuid() == 0 else ("ordinary user",)
CATEGORIES = sorted({case.category for case in ATTACKS.values()})


def program_of(user: str) -> str:
    return "other" if os.geteuid() == 0 and user != "root" else "self"


@functools.cache
def drills(backend: str) -> dict[str, dict[str, runner.Report] | Exception]:
    """The whole corpus once for each user, side by side."""

    def one(user: str) -> dict[str, runner.Report] | Exception:
        try:
            return runner.run(program_of(user), backend)
        except RuntimeError as error:
            return error

    with ThreadPoolExecutor(len(USERS)) as pool:
        return dict(zip(USERS, pool.map(one, USERS), strict=True))


def reports(backend: str, user: str) -> dict[str, runner.Report]:
    found = drills(backend)[user]
    if isinstance(found, Exception):
        if backend in os.environ.get("REASONLAB_REQUIRE_BACKENDS", ""):
            pytest.fail(str(found))
        pytest.skip(f"{backend} as {user}: {str(found)[-300:]}")
    return found


def breaches(found: dict[str, runner.Report]) -> dict[str, list[str]]:
    return {name: report["breaches"] for name, report in found.items() if report["breaches"]}


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_attack_is_contained_and_the_next_candidate_scores(
    backend: str, user: str, category: str
) -> None:
    found = reports(backend, user)
    names = [n for n in runner.names(backend) if ATTACKS[n].category == category]
    assert breaches({name: found[name] for name in names}) == {}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_lives_on_after_the_sandbox_is_closed(backend: str, user: str) -> None:
    assert breaches({"": reports(backend, user)[""]}) == {}


def test_the_corpus_holds_130_different_programs() -> None:
    assert len({(case.source, case.then) for case in ATTACKS.values()}) == len(ATTACKS) >= 130


NEEDS_FILTER = {
    "disturb-the-parent",
    "limit-the-parent",
    "listen-unix",
    "raw-memory-file",
    "raw-socket-pair",
    "raw-trace-me",
    "raw-watch",
    "renice-others",
    "signal-by-ownership",
    "socket-pair",
}
"""Attacks that namespaces or Landlock alone do not stop, whatever the kernel."""
NEEDS_FILTER_OF = {
    "bwrap": {"kill-the-first-process", "signal-by-ownership-of-a-pipe"},
    "landlock": {"kill-the-parent", "unix-path", "change-attributes", "tcp-without-connect"},
}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_without_the_filter_of_system_calls_attacks_get_through(backend: str, user: str) -> None:
    reports(backend, user)  # skips where the back-end does not work
    chosen = NEEDS_FILTER | NEEDS_FILTER_OF[backend]
    found = runner.run(program_of(user), backend, filtered=False, chosen=sorted(chosen))
    assert set(breaches(found)) == chosen


THROUGH = {
    "write-new-file": "names",
    "overwrite-by-mapping": "files",
    "remove-tree": "files",
    "read-secrets": "a secret",
    "environment-of-processes": "a secret",
    "memory-of-processes": "a secret",
    "import-from-the-working-folder": "a secret",
    "tcp": "tcp was reached",
    "unix-abstract": "abstract was reached",
    "stash-in-a-file": "got through",
    "kill-the-supervisor": "ended or hung",
    "kill-a-bystander": "the bystander ended",
    "disturb-a-bystander": "the bystander got signals",
    "wire-answer": "",
}


def test_the_drill_sees_attacks_that_nothing_contains() -> None:
    """The weak back-end isolates nothing; as an ordinary user, so that no harm is done."""
    seen = {name: sign for name, sign in THROUGH.items() if sign}
    found = breaches(runner.run(program_of("ordinary user"), "process", chosen=list(THROUGH)))
    assert set(found) == set(seen)
    assert all(sign in str(found[name]) for name, sign in seen.items())


@pytest.mark.skipif("root" not in USERS, reason="only root may fork in the weak back-end")
def test_the_drill_sees_processes_that_live_on() -> None:
    found = breaches(runner.run("self", "process", chosen=["daemonised-grandchild", "fork-bomb"]))
    assert "processes left" in str(found["daemonised-grandchild"])
    assert "got through" in str(found["fork-bomb"])
