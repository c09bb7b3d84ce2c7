"""A command is bounded in time and output, ends with all that it started, and its end is told as it was."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from conformance.client import commanding
from conformance.client.commanding import Ended, Stopper, run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="groups of processes are POSIX's")


def python(code: str, limit: float = 10.0, **variables: str) -> Ended:
    return run((sys.executable, "-c", code), variables, limit, Stopper())


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie that nobody has waited for has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def all_gone(file: Path) -> bool:
    pids = [int(word) for word in file.read_text(encoding="utf-8").split()]
    assert pids
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not all(map(gone, pids)):
        time.sleep(0.05)
    return all(map(gone, pids))


def test_status_output_and_complaint_are_kept():
    ended = python("import sys; print('kite'); print('no wind', file=sys.stderr); sys.exit(3)")
    assert (ended.status, ended.complained, ended.said, ended.remarks) == (3, True, "no wind", ())
    assert ended.output == hashlib.sha256(b"kite\n").hexdigest()


def test_it_finds_its_variables_and_nothing_to_read():
    ended = python("import os, sys; print(os.environ['KITEMESH_URL'], sys.stdin.read() == '')", KITEMESH_URL="here")
    assert ended.said == "here True"


def test_a_signal_that_ends_it_is_its_status():
    assert python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").status == -11


def test_one_that_hangs_is_ended_at_its_limit():
    ended = python("import time; time.sleep(600)", limit=1.0)
    assert ended.status is None
    assert ended.seconds < 5
    assert ended.remarks == ()


def test_one_that_ignores_sigterm_is_ended_too_and_told():
    ended = python("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)", limit=1.0)
    assert ended.status is None
    assert ended.seconds < 6
    assert ended.remarks == ("did not end at SIGTERM",)


FORKS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        with open(sys.argv[1], "a") as file:
            file.write(f"{os.getpid()} ")
        time.sleep(600)
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("seconds", ["0.5", "600"], ids=["ends itself", "hangs"])
def test_its_children_end_with_it(tmp_path, seconds):
    pids = tmp_path / "pids"
    ended = run((sys.executable, "-c", FORKS, str(pids), seconds), {}, 2.0, Stopper())
    assert ended.seconds < 8
    assert (ended.status is None) == (seconds == "600")
    assert all_gone(pids)
    assert bool(ended.remarks)


def test_much_output_is_read_on_and_only_its_end_is_kept():
    ended = python("import sys\nfor n in range(200000): print('x' * 99)\nprint('the end')")
    assert (ended.status, ended.said, ended.remarks) == (0, "the end", ())


def test_one_that_writes_a_gigabyte_is_ended_and_told():
    ended = python("import sys\nfor n in range(1024): sys.stdout.write('x' * 2**20)", limit=60.0)
    assert ended.status != 0
    assert ended.seconds < 30
    assert ended.remarks == ("wrote more than 64 MiB and was ended",)
    assert len(ended.said) <= 300


def test_what_a_child_of_another_session_holds_open_is_not_waited_for():
    code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(8)\n"
    ended = python(code)
    assert ended.status == 0
    assert ended.seconds < 5
    assert ended.remarks == ("left a process behind that is out of reach and holds its output open",)


def test_whoever_stops_it_need_not_wait():
    stopper = Stopper()
    threading.Timer(0.5, stopper.stop).start()
    started = time.monotonic()
    ended = run((sys.executable, "-c", "import time; time.sleep(600)"), {}, 600.0, stopper)
    assert time.monotonic() - started < 10
    assert ended.status == -9
    assert run((sys.executable, "-c", "import time; time.sleep(600)"), {}, 600.0, stopper).status == -9


def test_one_that_cannot_be_started_says_so():
    with pytest.raises(OSError, match="No such file"):
        run(("/no/such/program",), {}, 1.0, Stopper())


def test_the_limits_are_what_is_documented():
    assert commanding.LARGEST_OUTPUT == 64 * 2**20
