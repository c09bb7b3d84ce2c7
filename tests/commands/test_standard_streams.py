"""What cannot be shown or written is one sentence; a verdict that was found stands."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from made_up import MODEL, URL

from conformance.commands.main import main
from conformance.commands.shell.standard_streams import Lasting
from conformance.contract.schemas import fixture_dir

TARGET = (URL, "--model", MODEL)
FULL = Path("/dev/full")
CONFORMING, FAULTY = (fixture_dir() / "transcripts" / f"{name}.har" for name in ("conforming", "done-missing"))
ALWAYS = (("requirements",), ("run", "--plan"), ("run", *TARGET, "--max-requests", "1"), ("judge", str(FAULTY)))
CLOSED = "is closed; redirect it to a file, or to /dev/null."
NO_SPACE = "Error: Standard output could not be written (No space left on device).\n"


@pytest.fixture(autouse=True)
def _bare(bare):
    """Nothing of the caller's directory or environment."""


def started(words, redirection="", **more):
    """The command line in a process of its own, started by a shell."""
    line = ["sh", "-c", f'exec "$0" -m conformance.commands.main "$@" {redirection}', sys.executable, *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False, **more)


@pytest.mark.parametrize("words", ALWAYS, ids=lambda words: words[0])
def test_standard_output_that_is_closed_is_refused_before_anything_is_sent(words):
    done = started(words, ">&-")
    assert (done.returncode, done.stdout, done.stderr) == (4, "", f"Error: Standard output {CLOSED}\n")
    assert not Path("reports").exists()


def test_standard_error_that_is_closed_is_told_on_the_other():
    done = started(("requirements",), "2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (4, f"Error: Standard error {CLOSED}\n", "")
    assert started(("requirements",), ">&- 2>&-").returncode == 4


def test_standard_input_that_is_closed_matters_to_nobody():
    assert started(("judge", str(FAULTY)), "<&-").returncode == 1


@pytest.mark.parametrize(("words", "code"), [(("judge", str(FAULTY)), 1), (("requirements",), 0)])
def test_a_reader_who_went_away_changes_no_verdict(words, code):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        line = [sys.executable, "-m", "conformance.commands.main", *words]
        done = subprocess.run(line, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (code, b"")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no full device")
@pytest.mark.parametrize(("words", "code"), [(("judge", str(FAULTY)), 1), (("requirements",), 4)])
def test_a_full_disk_is_told_and_a_verdict_that_complains_stands(words, code):
    done = started(words, f">{FULL}")
    assert (done.returncode, done.stderr) == (code, NO_SPACE)


def test_a_reader_who_is_slow_is_waited_for():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    whole, got = b"x" * 2**20, bytearray()

    def read():
        while piece := os.read(reading, 2**16):
            got.extend(piece)

    reader = threading.Thread(target=read)
    reader.start()
    lasting, rest = Lasting(writing, "w"), memoryview(whole)
    while rest:
        rest = rest[lasting.write(rest) :]
    lasting.close()
    reader.join()
    os.close(reading)
    assert got == whole
    assert lasting.lost is None


@pytest.mark.parametrize("words", [*ALWAYS, ("explain", "stream.done"), ("config", "show")], ids=lambda words: words[0])
def test_a_working_directory_that_was_deleted(words, tmp_path, monkeypatch, command):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    said = "Error: The working directory no longer exists; change to one that does.\n"
    assert command(*words) == (4, "", said)


PLACES = ("/proc/x", "afile", "afile/x", "loop", "loop/x", "/dev/null/x", "x" * 300)


@pytest.fixture
def _places():
    Path("afile").touch()
    Path("loop").symlink_to("loop")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.usefixtures("_places")
def test_a_place_that_takes_no_reports_is_refused_before_anything_is_sent(world, command, place):
    for words in (("run", *TARGET), ("judge", CONFORMING), ("prove", "--only", "stream.done")):
        code, out, err = command(*words, "--output", place)
        assert (code, out) == (4, "")
        assert err.startswith("Error: Nothing can be written to ")
        assert len(err.splitlines()) == 1
    assert not world.asked


def test_a_place_that_is_no_path_is_refused(world, command):
    Path("conformance.toml").write_text('output = "a\\u0000b"\n', encoding="utf-8")
    assert command("run", *TARGET)[0] == 4
    assert not world.asked


@pytest.mark.parametrize("place", ["/proc/x", "afile/x", "loop/x", "/dev/null/x", "x" * 300])
@pytest.mark.usefixtures("_places")
def test_a_place_that_takes_no_baseline_is_refused_before_anything_is_sent(world, command, place):
    code, out, err = command("run", *TARGET, "--write-baseline", place)
    assert (code, out) == (4, "")
    assert err.startswith("Error: Nothing can be written to ")
    assert not world.asked


def test_a_home_that_nobody_has_is_a_name_like_any_other(world, command):
    assert command("run", *TARGET, "--output", "~nobody-of-this-name/x")[0] == 0
    assert Path("~nobody-of-this-name/x/report.html").exists()
    for option in ("--baseline", "--replay", "--config", "--token-file"):
        code, _, err = command("run", *TARGET, option, "~nobody-of-this-name/y")
        assert code == 4
        assert "No such file or directory" in err


def _full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(("broken", "code"), [({}, 4), ({"stream.done": 1}, 1)])
def test_a_disk_that_is_full_in_the_end_leaves_a_complaint_of_the_verdict(world, command, monkeypatch, broken, code):
    from conformance.report import files

    world.broken = broken
    monkeypatch.setattr(files, "write", _full)
    got, out, err = command("run", *TARGET)
    assert (got, err.splitlines()[-1]) == (code, "Error: The reports could not be written (No space left on device).")
    assert "CONFORMANT (full scope" in out
    assert list(Path("reports").glob(".*")) == []


@pytest.mark.parametrize(("transcript", "code"), [(CONFORMING, 6), (FAULTY, 1)])
def test_likewise_of_a_transcript(command, monkeypatch, transcript, code):
    from conformance.report import files

    monkeypatch.setattr(files, "write", _full)
    got, out, err = command("judge", transcript, "--output", "x")
    assert (got, err) == (code, "Error: The reports could not be written (No space left on device).\n")
    assert f"exit code {code}" in out


def test_likewise_of_a_baseline(world, command, monkeypatch):
    from conformance.report import directory, files

    world.broken = {"stream.done": 1}
    monkeypatch.setattr(directory, "write_whole", _full)
    monkeypatch.setattr(files, "write", lambda *_: [])
    got, _, err = command("run", *TARGET, "--write-baseline", "known.toml")
    assert (got, err.splitlines()[-1]) == (1, "Error: The baseline could not be written (No space left on device).")


def test_what_the_caller_put_in_the_streams_place_is_left_there(capsys):
    before = sys.stdout, sys.stderr
    assert main(["requirements", "stream.done"]) == 0
    assert (sys.stdout, sys.stderr) == before
    assert "stream.done" in capsys.readouterr().out
