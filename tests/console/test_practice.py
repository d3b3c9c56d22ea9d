"""Practice: a world of its own that never touches a folder that is not marked as practice."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-P", "-m", "console.cli", "practice", "--orders", "5", "--json", "--keep"]


def test_practice_serves_a_marked_folder_until_it_is_told_to_stop_and_begins_anew(tmp_path: Path) -> None:
    folder = tmp_path / "practice"
    for _start in range(2):
        child = subprocess.Popen([*COMMAND, str(folder)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        lines = []
        while not lines or lines[-1].strip() != "}":
            lines.append(child.stdout.readline())
        told = json.loads("".join(lines))
        assert Path(told["database"]).parent == folder
        env = {**os.environ, "SHIPDECK_DB": told["database"], "SHIPDECK_KEY_FILE": told["key_file"]}
        listed = subprocess.run(
            [sys.executable, "-P", "-m", "console.cli", "shop", "list", "--json"],
            env=env,
            capture_output=True,
            check=True,
        )
        assert [s["name"] for s in json.loads(listed.stdout)] == ["Practice"]
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0


def test_practice_never_empties_a_folder_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    done = subprocess.run([*COMMAND, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert (tmp_path / "mine.txt").read_text() == "keep me"
