"""A real JupyterLab in a real browser. Everything is skipped, saying why, where one is missing."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
]  # fmt: skip
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false"},
    # Windowed cells outside the view are not in the page: neither clickable nor on a screenshot.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}


# Not for the session: while it lives, playwright keeps an event loop running in this thread, where
# the tests of other folders could not call asyncio.run.
@pytest.fixture(scope="module")
def page() -> Iterator[object]:
    """A browser page; skips where playwright or Chromium is not installed."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser.new_page(viewport={"width": 1400, "height": 1000})
        browser.close()


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory, page: object) -> Iterator[tuple[str, Path]]:
    """A running JupyterLab: its address and the folder it serves."""
    home = tmp_path_factory.mktemp("jupyter")
    folder = home / "root"
    folder.mkdir()
    for name, value in SETTINGS.items():
        package, _, plugin = name.rpartition("/")
        path = home / "settings" / package / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    folders = {
        "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "IPYTHONDIR": "ipython",
        "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
    }  # fmt: skip
    env = {
        **os.environ,
        **{name: str(home / sub) for name, sub in folders.items()},
        "REASONLAB_FAST": "1",
        "PYTHONPATH": str(ROOT),
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=",
        f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    with (home / "jupyter.log").open("w") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log, cwd=folder)
        try:
            address = f"http://127.0.0.1:{port}"
            await_server(address, server, home / "jupyter.log")
            yield address, folder
        finally:
            server.terminate()
            server.wait(60)


@pytest.fixture(scope="module")
def picture(page: Any) -> Callable[[Any, str], bool]:
    """Saves a picture of an element as NAME.png where REASONLAB_PICTURES names a folder; returns
    whether it does."""
    folder = os.environ.get("REASONLAB_PICTURES")

    def save(of: Any, name: str) -> bool:
        if folder and of is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            of.scroll_into_view_if_needed()
            page.wait_for_timeout(300)
            of.screenshot(path=Path(folder) / f"{name}.png")
        return bool(folder)

    return save


def await_server(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until JupyterLab answers; fails with its log when it ends or does not start."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/api", timeout=2).close()
            return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
