"""Workers: a dead one is no reason to wait for ever, and none outlives the process that started it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmdata.workers import Workers


def nothing() -> None:
    pass


def twice(number: int) -> int:
    return 2 * number


def killed(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refused(number: int) -> int:
    raise KeyError(number)


@pytest.fixture
def workers() -> Workers:
    return Workers(2, multiprocessing.get_context("fork"), nothing)


def test_results_come_in_order(workers: Workers) -> None:
    with workers:
        assert list(workers.map(twice, range(20))) == [2 * n for n in range(20)]
        assert workers.begin(twice, 4).get() == 8
        with pytest.raises(KeyError):
            workers.begin(refused, 4).get()


def test_a_killed_worker_is_an_error(workers: Workers) -> None:
    with pytest.raises(ChildProcessError, match="killed"), workers:
        list(workers.map(killed, range(20)))
    with pytest.raises((ChildProcessError, RuntimeError)):
        workers.begin(twice, 1)


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    code = (
        "import multiprocessing, os, time\nfrom pathlib import Path\nfrom mmdata.workers import Workers\n"
        "def busy(n):\n    Path(f'{n}.tmp').write_text(str(os.getpid()))\n    Path(f'{n}.tmp').rename(f'{n}.pid')\n"
        "    while True: pass\n"
        "with Workers(2, multiprocessing.get_context('fork'), print) as w:\n    list(w.map(busy, range(2)))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.DEVNULL)
    while len(found := list(tmp_path.glob("*.pid"))) < 2:
        assert parent.poll() is None
        time.sleep(0.01)
    pids = [int(path.read_text()) for path in found]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until = time.monotonic() + 60
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
