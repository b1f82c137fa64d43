"""The example with stubs of one's own: its page is followed, where the client is not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import Server

ROOT = Path(__file__).resolve().parents[2]


def test_stubs_of_ones_own_ask_as_the_client_does(shop: Server, tmp_path: Path) -> None:
    page = (ROOT / "examples/stubs/README.md").read_text()
    commands = page.split("```sh\n")[1].split("```")[0].splitlines()
    shutil.copytree(ROOT / "proto", tmp_path / "proto")
    here = tmp_path / "examples" / "stubs"
    shutil.copytree(ROOT / "examples/stubs", here)
    # Of feat nothing but what is generated.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = ""
    for command in commands:
        if command.startswith("pip install"):
            continue
        assert command.startswith("python ")
        words = command.replace("python ", f"{sys.executable} ", 1).replace("127.0.0.1:8815", shop.address)
        done = subprocess.run(
            words.replace("user_id=ann", "user_id=u3"),
            shell=True,
            cwd=here,
            env=clean,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        said = done.stdout
    lines = [line.split() for line in said.splitlines()]
    # It asks about now, when the orders of 2025 are long past.
    assert lines == [
        ["recent.n_1h", "0", "empty"],
        ["recent.n_1d", "0", "empty"],
        ["recent.spent_1h", "0.0", "empty"],
        ["recent.spent_7d", "0.0", "empty"],
        ["recent.last", "None", "empty"],
    ]
    found = (here / "feat/v1/online_pb2.py").read_bytes()
    assert found == (ROOT / "python/src/feat/v1/online_pb2.py").read_bytes()
