"""Imported once, before processes for the cases are forked: what every run does first has been done here."""

from __future__ import annotations

import tempfile
from pathlib import Path

from conformance.judging import judge as judging
from conformance.reference.settings import DEFAULT_MODEL
from conformance.report import files, terminal
from conformance.running import run
from conformance.settings.options import Options
from conformance.transcript import har_reader

from . import running

_CONFORMING = Path(__file__).parents[3] / "fixtures" / "transcripts" / "conforming.har"


def _warm() -> None:
    report = judging.judge(har_reader.load(_CONFORMING))
    with tempfile.TemporaryDirectory() as directory:
        files.write(report, Path(directory))
    terminal.text(report, ())
    run.planned(Options(url="http://127.0.0.1:9/v1", model=DEFAULT_MODEL, token="km_short", seed=1))


_warm()
__all__ = ["running"]
