"""Chromium without a window: pictures of a page, and the page as it is once its scripts have run."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_WITHIN = 120  # seconds
_TRIES = 6


def program() -> str:
    """Where Chromium is: what CHROMIUM names, or the first of its usual names; ends the program where there is none."""
    for name in filter(None, (os.environ.get("CHROMIUM"), *NAMES)):
        if found := shutil.which(name):
            return found
    sys.exit("Chromium is needed for this and was not found; install it, or name its program by CHROMIUM=…")


def picture(page: Path, to: Path, width: int, height: int, *, dark: bool = False, at: str = "") -> None:
    """Take a picture of a page.

    Args:
        page: an HTML file.
        to: where the PNG goes.
        width: of the window, in CSS pixels, which are the picture's.
        height: likewise.
        dark: the reader prefers dark colours.
        at: id of a heading: only its section is shown, as no picture can be taken of a page that is scrolled.
    """
    with tempfile.TemporaryDirectory(prefix="section-") as elsewhere:
        shown = _section(page, Path(elsewhere), at) if at else page
        scheme = 0 if dark else 1  # blink's numbers of prefers-color-scheme
        before = b""
        for _ in range(_TRIES):
            _run(
                *(f"--screenshot={to}", f"--window-size={width},{height}", "--run-all-compositor-stages-before-draw"),
                *(f"--blink-settings=preferredColorScheme={scheme}", "--virtual-time-budget=2000"),
                shown.resolve().as_uri(),
            )
            # Now and then a tile of the page is not painted yet: what came twice is whole.
            if before == (before := to.read_bytes() if to.is_file() else b""):
                break
    if not to.is_file() or _size(to) != (width, height):
        sys.exit(f"Chromium made no picture {to.name} of {width} by {height} pixels.")


def document(page: Path, width: int, height: int, *, dark: bool = False) -> str:
    """A page's document as HTML after its scripts have run."""
    scheme = 0 if dark else 1
    return _run(
        *("--dump-dom", f"--window-size={width},{height}", f"--blink-settings=preferredColorScheme={scheme}"),
        *("--virtual-time-budget=20000", page.resolve().as_uri()),
    )


_HIDDEN = """<style>
body > .top, footer, nav, main > :not(:has([id="{at}"])) {{ display: none; }}
section:has([id="{at}"]) > :is(h2, .index):not([id="{at}"]), .broken:not(:has([id="{at}"])) {{ display: none; }}
</style>
</head>"""


def _section(page: Path, directory: Path, at: str) -> Path:
    """A copy of the page that shows but one section."""
    text = page.read_text(encoding="utf-8")
    if f'id="{at}"' not in text:
        sys.exit(f"{page.name} has no element {at}, so no picture can be taken of it.")
    copy = directory / page.name
    copy.write_text(text.replace("</head>", _HIDDEN.format(at=at), 1), encoding="utf-8")
    return copy


def _run(*arguments: str) -> str:
    with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
        command = [program(), "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        # In a container there are no user namespaces for a sandbox, and as root Chromium refuses to start with one.
        # The pages are the suite's own.
        command += ["--no-sandbox", "--force-device-scale-factor=1", f"--user-data-dir={profile}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN, check=False)
    if done.returncode:
        sys.exit(f"Chromium failed: {done.stderr.strip()[-400:]}")
    return done.stdout


def _size(png: Path) -> tuple[int, int]:
    width, height = struct.unpack(">II", png.read_bytes()[16:24])  # of the IHDR chunk, which is the first
    return width, height
