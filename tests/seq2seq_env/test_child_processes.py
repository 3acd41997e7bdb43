"""Children of a process that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

POOL = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from seq2seq_env.child_processes import end_with_parent

def work(name):
    Path(sys.argv[1], name).write_text(str(os.getpid()))
    if name == "busy":
        while True:
            pass

if __name__ == "__main__":
    with ProcessPoolExecutor(2, get_context("forkserver"), initializer=end_with_parent) as pool:
        list(pool.map(work, ["busy", "idle"]))
"""
SCORER = """
import os, sys, time
from pathlib import Path
from seq2seq_env.scorers.models.process import ProcessScorer

PROGRAM = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(100)"
wrapper = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
path = Path(sys.argv[1], "program")
scorer = ProcessScorer([sys.executable, "-c", wrapper, PROGRAM, str(path)])
scorer.score(["eins"], ["one"])
"""
LAUNCHER = """
import os, subprocess, sys, time
RANK = (
    "import os, sys, time; from pathlib import Path; from seq2seq_env.child_processes import end_with_launcher; "
    "end_with_launcher(); Path(sys.argv[1], 'rank').write_text(str(os.getpid())); time.sleep(100)"
)
subprocess.run([sys.executable, "-c", RANK, sys.argv[1]], env=os.environ | {"TORCHELASTIC_RUN_ID": "1"})
"""


def runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for(condition: object, seconds: float = 60.0) -> bool:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the states of processes in /proc")
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize(
    ("script", "names"),
    [(POOL, ["busy", "idle"]), (SCORER, ["program"]), (LAUNCHER, ["rank"])],
    ids=["pool", "scorer", "launcher"],
)
def test_children_end_with_a_parent_that_is_killed(
    script: str, names: list[str], by: signal.Signals, tmp_path: Path
) -> None:
    path = tmp_path / "parent.py"
    path.write_text(script)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    files = [tmp_path / name for name in names]
    with subprocess.Popen([sys.executable, path, tmp_path], env=environment) as parent:
        try:
            assert wait_for(lambda: all(file.exists() and file.read_text() for file in files))
        finally:
            parent.send_signal(by)
    children = [int(file.read_text()) for file in files]
    assert wait_for(lambda: not any(map(runs, children)), 5)
