"""Makes fixtures/transcripts/real/: a few exchanges of each server, cut out of the recordings of a whole session.

    python -m tests.studies.interop && python -m tests.studies.interop.transcripts reports/interop

The files hold what the servers sent, octet for octet, but for addresses and paths of the machine, in whose stead stand
as many `x`. `expected.toml` beside them says what judging them gives.
"""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

from conformance.contract.schemas import fixture_dir
from conformance.probes.flow import AGAIN
from conformance.transcript import har_reader, har_writer
from conformance.transcript.exchange import Exchange, Headers, Transcript

DIRECTORY = fixture_dir() / "transcripts" / "real"
URL = "https://api.example.com/v1"
KEPT = (
    "accept-minimal", "accept-stream", "accept-metadata-request-id", "auth-missing-header", "auth-unknown-token",
    "completion-output-limit", "completion-uses-prompt", "isolation-json-2", "isolation-json-5", "isolation-stream-2",
    "isolation-stream-3", "reject-body-cut", "reject-max-tokens-type", "reject-media-type-text",
    "reject-messages-empty", "reject-method-put", "reject-model-pattern", "stream-long",
    "stream-refusal-messages-empty",
)  # fmt: skip
"""Probes. All attempts and tries of each are kept, but not what was sent once more when the phases were over."""
OPTIONS = ("suite", "seed", "model", "modes", "depth", "approvals")
OURS = re.compile(rb"127\.0\.0\.1(?::\d+)?|localhost(?::\d+)?|/(?:home|tmp|root|usr|opt|var)/[^\s\"'\\]*")
"""What says where it was recorded."""


def reduced(recording: Transcript) -> Transcript:
    """The exchanges that are kept, without what says where they were recorded."""
    base = str(recording.options["url"])
    kept = tuple(_placed(one, base) for one in recording if one.note.probe in KEPT and one.note.round < AGAIN)
    options = {name: recording.options[name] for name in OPTIONS if name in recording.options}
    return Transcript(kept, options, recording.creator)


def _placed(exchange: Exchange, base: str) -> Exchange:
    request = exchange.request
    host = URL.split("/")[2]
    headers = tuple((name, host if name.lower() == "host" else value) for name, value in request.headers)
    moved = replace(request, url=URL + request.url.removeprefix(base), headers=headers)
    answer = exchange.response
    if answer is not None:
        answer = replace(answer, headers=_fields(answer.headers), body=OURS.sub(_blank, answer.body))
    return replace(exchange, request=moved, response=answer, server_ip="")


def _fields(headers: Headers) -> Headers:
    return tuple((name, OURS.sub(_blank, value.encode()).decode()) for name, value in headers)


def _blank(match: re.Match[bytes]) -> bytes:
    """As many octets, so that what is told of places still holds."""
    return b"x" * len(match[0])


def write(session: Path, folder: Path = DIRECTORY) -> None:
    """Write a file for each server of a session's output."""
    folder.mkdir(parents=True, exist_ok=True)
    for recording in sorted(session.glob("*/transcript.har")):
        text = har_writer.dumps(reduced(har_reader.load(recording)))
        (folder / f"{recording.parent.name}.har").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
