"""Files that a user names: bounded, and what is wrong with one is said in a clause."""

from pathlib import Path

import pytest

from conformance.settings import files


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    assert files.read(path, 100) == b"x" * 100


def test_of_a_larger_file_no_more_is_read_than_shows_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(2**41)  # a hole: it takes no room on the disk, and could not be read into memory
    with pytest.raises(files.TooLarge, match=r"^is larger than 1 MiB$"):
        files.read(path, 2**20)


@pytest.mark.parametrize(("name", "why"), [("absent", "No such file"), (".", "Is a directory"), ("\0", "not a path")])
def test_what_the_system_does_not_give_is_told(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(files.Unreadable, match=rf"^cannot be read \(.*{why}"):
        files.read(tmp_path / name, 100)


@pytest.mark.parametrize(
    ("octets", "why"),
    [(b"\xff", "not UTF-8"), (b"a = ", "not TOML"), (b"a = " + b"[" * 10_000, "not TOML"), (b"a=1\na=2", "not TOML")],
)
def test_what_is_no_table_is_told(octets: bytes, why: str) -> None:
    with pytest.raises(files.Unusable, match=f"^is {why}"):
        files.toml(octets)


def test_a_table_is_read() -> None:
    assert files.toml('"é" = 1'.encode()) == {"é": 1}
