"""The probe tries each back-end for real and says why one does not work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evaluators.sandbox import NoSandbox, Sandbox, probe, strongest
from evaluators.sandbox import probe as probe_function
from evaluators.sandbox import sandbox as sandbox_module
from evaluators.sandbox.backends import BACKENDS, STRONG

probe_module = sys.modules[probe_function.__module__]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch):
    """The probe forgets, before and after."""
    probe_module._tried.cache_clear()
    monkeypatch.delenv("REASONLAB_SANDBOX", raising=False)
    yield monkeypatch
    monkeypatch.undo()
    probe_module._tried.cache_clear()


def test_every_back_end_is_tried_and_explained() -> None:
    found = probe()
    assert list(found) == list(BACKENDS) and found["process"].works
    assert "isolates nothing" in found["process"].why
    assert all(result.why for result in found.values())


def test_the_probe_is_made_once_in_a_process(fresh) -> None:
    first = probe()
    fresh.setattr(probe_module, "_try", lambda *a: pytest.fail("tried again"))
    assert probe() == first


def test_without_bubblewrap_it_says_how_to_install_it(fresh) -> None:
    fresh.setattr(probe_module.shutil, "which", lambda name: None)
    result = probe()["bwrap"]
    assert not result.works and "apt install bubblewrap" in result.why


def test_a_bubblewrap_that_fails_is_quoted_with_the_remedy(fresh, tmp_path) -> None:
    for complaint, remedy in {
        "bwrap: setting up uid map: Permission denied": "AppArmor",
        "bwrap: No permissions to create new namespace": "`landlock`",
        "bwrap: something new": "something new",
    }.items():
        fake = tmp_path / "bwrap"
        fake.write_text(f"#!/bin/sh\necho '{complaint}' >&2\nexit 1\n")
        fake.chmod(0o755)
        fresh.setenv("PATH", str(tmp_path), prepend=":")
        probe_module._tried.cache_clear()
        result = probe()["bwrap"]
        assert not result.works and complaint in result.why and remedy in result.why


def test_a_back_end_that_lets_a_forbidden_deed_pass_does_not_work(fresh) -> None:
    plan_for = sandbox_module.plan_for

    def open_plan(backend, preload, before):
        plan = plan_for("process", preload)
        return type(plan)(backend, plan.config, plan.prefix)

    fresh.setattr(sandbox_module, "plan_for", open_plan)
    result = probe()["landlock"]
    assert not result.works and "does not isolate" in result.why


def test_elsewhere_than_on_linux_only_the_weak_one_works(fresh) -> None:
    fresh.setattr(probe_module.sys, "platform", "darwin")
    fresh.setattr(probe_module.platform, "system", lambda: "Darwin")
    found = {backend: probe_module._tried(backend) for backend in STRONG}
    assert all(not result.works and "Darwin" in result.why for result in found.values())


def test_the_strongest_that_works_is_chosen(fresh) -> None:
    works = [backend for backend in STRONG if probe()[backend].works]
    if not works:
        pytest.skip(f"no strong back-end: {probe()}")
    assert strongest() == works[0]
    with Sandbox() as sandbox:
        assert sandbox.backend == works[0]


def test_the_weak_one_is_never_chosen_but_named_in_the_refusal(fresh) -> None:
    no = probe_module.Probe(False, "refused for a test")
    fresh.setattr(probe_module, "_tried", lambda backend: no)
    with pytest.raises(NoSandbox, match=r"bwrap: refused for a test.*--sandbox process"):
        Sandbox()


def test_the_module_prints_the_probe_as_a_table() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "evaluators.sandbox"], capture_output=True, text=True, cwd=ROOT
    )
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(BACKENDS)
    assert done.returncode == (0 if any(probe()[b].works for b in STRONG) else 1)


@pytest.mark.parametrize(
    "prefix",
    [
        ["setpriv", "--bounding-set=-all", "--inh-caps=-all"],
        ["setpriv", "--bounding-set=-sys_admin,-dac_read_search"],
        ["unshare", "--user", "--map-root-user", "sh", "-c",
         'echo 0 > /proc/sys/user/max_mnt_namespaces && exec "$@"', "sh"],
    ],
    ids=["root without rights", "root with a container's rights", "root of a small namespace"],
)  # fmt: skip
def test_where_a_container_refuses_namespaces_landlock_is_left(prefix) -> None:
    """The three ways in which `root` is less than root, as in containers."""
    if os.getuid() != 0 or shutil.which(prefix[0]) is None:
        pytest.skip(f"needs root and {prefix[0]}")
    if not probe()["landlock"].works:
        pytest.skip(probe()["landlock"].why)
    if subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip(f"{prefix[0]} is refused here")
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "evaluators.sandbox"],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in done.stdout.splitlines()}
    assert rows["bwrap"][0] == "no" and "use `landlock`" in rows["bwrap"][1]
    assert rows["landlock"][0] == "works", rows
