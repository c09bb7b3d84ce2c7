"""Make reports/example/ anew: two real runs, the pages of both, pictures of the pages, and a session of `watch`.

One server conforms; the other one has five faults, of which a baseline knows one. Seed and port are fixed, so that what
changes from one refreshing to the next are times and ids that the server draws.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import chdir
from datetime import date
from pathlib import Path
from typing import NamedTuple

import chromium
import session

from conformance.judging import baseline
from conformance.judging.baseline import Entry
from conformance.judging.verdict import Conclusion
from conformance.reference.app import create_app
from conformance.reference.behaviour import CONFORMING, Behaviour
from conformance.reference.faults import by_id
from conformance.reference.making import together
from conformance.reference.serving import in_thread
from conformance.reference.settings import Settings
from conformance.report import badge, html, summary
from conformance.report.report import Report
from conformance.running.run import of_reference, run
from conformance.settings.options import Options

DIRECTORY = Path(__file__).resolve().parents[3] / "reports" / "example"
PORT = 8642
SEED = 7
FAULTS = (
    "stream-done-absent",
    "error-code-integer",
    "expires-local",
    "rich-temperature-accepted",
    "challenge-missing",
)
WATCHED = ("stream-done-absent", "challenge-missing")
"""Those of the server that is mended in the session: of the first one."""
KNOWN = Entry("approval.expires-at", "Fixed with the next release", owner="tools team", expires=date(2099, 12, 31))


class Shot(NamedTuple):
    """A picture to take."""

    name: str
    page: str
    width: int
    height: int
    dark: bool = False
    at: str = ""


SHOTS = (
    Shot("failing-desktop", "failing", 1280, 1240),
    Shot("failing-finding", "failing", 1280, 900, at="broken-stream.done"),
    Shot("failing-streams", "failing", 1280, 720, at="streams"),
    Shot("failing-phone", "failing", 390, 844),
    Shot("failing-phone-finding", "failing", 390, 844, at="broken-stream.done"),
    Shot("failing-dark", "failing", 1280, 1240, dark=True),
    Shot("passing-desktop", "passing", 1280, 800),
    Shot("passing-phone-dark", "passing", 390, 844, dark=True),
)


def judged(behaviour: Behaviour, known: str | None = None) -> Report:
    """A whole run against a server that behaves so."""
    try:
        with in_thread(create_app(Settings(rate_limit_every=97), behaviour), PORT) as url:
            return run(of_reference(url, Options(seed=SEED, baseline=known)))
    except OSError as error:
        sys.exit(f"The server could not listen on port {PORT} ({error.strerror}); free it.")


def main() -> None:
    """Write everything, and say what."""
    chromium.program()
    with tempfile.TemporaryDirectory() as elsewhere, chdir(elsewhere):  # so that the page names the baseline alone
        Path("known-failures.toml").write_text(baseline.dumps([KNOWN]), encoding="utf-8")
        failing = judged(together(*(by_id(name).behaviour for name in FAULTS)), "known-failures.toml")
    passing = judged(CONFORMING)
    blamed = {o.requirement.id for o in failing.verdict.outcomes if o.findings}
    if blamed != {by_id(name).requirement for name in FAULTS}:
        sys.exit(f"The faults were blamed on {', '.join(sorted(blamed)) or 'nothing'}, so this is no good example.")
    picture = badge.badge(passing)
    if passing.verdict.conclusion is not Conclusion.CONFORMANT or picture is None:
        sys.exit(f"The reference server did not pass: {passing.verdict.sentence}")

    DIRECTORY.mkdir(parents=True, exist_ok=True)
    (DIRECTORY / "badge.svg").write_text(picture, encoding="utf-8")
    for name, report in (("failing", failing), ("passing", passing)):
        (DIRECTORY / f"{name}.md").write_text(summary.summary(report), encoding="utf-8")
        beside = {f"{name}.md": "the verdict as Markdown, for a pull request"}
        (DIRECTORY / f"{name}.html").write_text(html.page(report, beside), encoding="utf-8")
    before, after = (together(*(by_id(name).behaviour for name in names)) for names in (WATCHED, WATCHED[1:]))
    (DIRECTORY / "watch.txt").write_text(session.recorded(PORT, SEED, before, after), encoding="utf-8")
    for shot in SHOTS:
        to = DIRECTORY / f"{shot.name}.png"
        page = DIRECTORY / f"{shot.page}.html"
        chromium.picture(page, to, shot.width, shot.height, dark=shot.dark, at=shot.at)
    for path in sorted(DIRECTORY.iterdir()):
        print(f"{path.stat().st_size:>9,}  {path.name}")


if __name__ == "__main__":
    main()
