"""A face of the reference server for somebody's own tests, and the verdict on what they sent to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from conformance.client import faces, run
from conformance.client.faces import Face
from conformance.client.listening import TOKEN, Heard, served
from conformance.contract.catalogue import Side
from conformance.evidence.faces import FaceKind
from conformance.judging.judge import judge
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL
from conformance.report.report import Report
from conformance.settings.options import Depth, Options
from conformance.settings.version import VERSION
from conformance.transcript.exchange import Exchange, Transcript

VARIATIONS = "variations"
"""Those of a standard run."""


class KiteMeshServer:
    """The server, while a test runs."""

    token = TOKEN
    model = DEFAULT_MODEL
    approval_prompt = DEFAULT_APPROVAL_PROMPT
    """A prompt that leads to two calls which wait for approval."""

    def __init__(self, url: str, face: Face, heard: Heard) -> None:
        """Take where it is, its face, and where what it hears is kept."""
        self.url = url
        """With `/v1`."""
        self.face = face.id
        """The face's id: `plain`, or what `serve --list` shows; several are joined by `+`."""
        self.kind = face.kind
        self.summary = face.summary
        self._heard = heard

    @property
    def variables(self) -> Mapping[str, str]:
        """What a program finds in its environment: KITEMESH_URL, OPENAI_BASE_URL and others."""
        return run.variables(self.url)

    @property
    def exchanges(self) -> list[Exchange]:
        """What was asked so far, and what was answered."""
        return self._heard.exchanges()

    def transcript(self) -> Transcript:
        """The same as a recording, which `judge --side client` takes."""
        kept = {
            **Options(side=Side.CLIENT).recorded(), "suite": VERSION, "model": DEFAULT_MODEL, "embedded": True,
            "faces": [{"face": self.face, "kind": self.kind.value}],
        }  # fmt: skip
        return Transcript(tuple(self.exchanges), kept, f"kitemesh-conformance {VERSION}")

    def report(self) -> Report:
        """The verdict on what was sent so far: `.verdict`, `["client.token"]`, `str()`."""
        return Report.of(judge(self.transcript()))


@contextmanager
def server(face: Face) -> Iterator[KiteMeshServer]:
    """Serve a face while the context lasts."""
    heard = Heard(face.id)
    with served(face, heard) as url:
        yield KiteMeshServer(url, face, heard)


def marked(*patterns: str) -> tuple[Face, ...]:
    """The faces that the arguments of the mark name: `variations`, or what `--face` takes; the plain one first.

    Raises:
        UsageError: one of them names none.
    """
    chosen = {face.id for face in faces.chosen([p for p in patterns if p != VARIATIONS], what="kitemesh_faces")}
    if VARIATIONS in patterns:
        chosen |= {face.id for face in faces.of_depth(Depth.STANDARD) if face.kind is FaceKind.VARIATION}
    return tuple(face for face in faces.every() if face.id in chosen)
