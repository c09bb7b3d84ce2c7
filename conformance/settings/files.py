"""Files that a user names: how much of one is read, and the clause that says why it cannot be used."""

import os
import tomllib
from pathlib import Path
from typing import Any


class Unusable(ValueError):
    """A file cannot be used.

    The message is a clause that follows the file's name and ends without a stop: "is not UTF-8; save it as such".
    """


class TooLarge(Unusable):
    """It is larger than may be read."""


class Unreadable(Unusable):
    """The system does not give it."""


def named(text: str) -> Path:
    """The path that a user gave, with `~` as the home directory; an unknown user's `~name` is not changed."""
    return Path(os.path.expanduser(text))


def read(path: Path, most: int) -> bytes:
    """The octets of a file that has at most `most` of them.

    Raises:
        TooLarge, Unreadable: named in the same way.
    """
    try:
        with path.open("rb") as file:
            octets = file.read(most + 1)
    except (OSError, ValueError) as error:  # a ValueError: NUL in the path
        raise Unreadable(f"cannot be read ({getattr(error, 'strerror', None) or 'it is not a path'})") from None
    if len(octets) > most:
        raise TooLarge(f"is larger than {most // 2**20} MiB")
    return octets


def toml(octets: bytes) -> dict[str, Any]:
    """The table that the octets of a TOML file hold.

    Raises:
        Unusable: they are not UTF-8, or not TOML.
    """
    try:
        return tomllib.loads(octets.decode("utf-8"))
    except UnicodeDecodeError:
        raise Unusable("is not UTF-8; save it as such") from None
    except (RecursionError, ValueError) as error:
        raise Unusable(f"is not TOML: {error}; correct it there") from None
