"""A client, judged: the command is run once against each face, and what it sent and how it ended is one recording.

The plain server comes first, twice: the other faces are compared with it, and what differs from run to run is known. A
variation on which the command ends otherwise is run once more with nothing beside it, so that a busy machine fails
nobody; the second course counts.
"""

from __future__ import annotations

import os
import shlex
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

from conformance.client import commanding
from conformance.client.commanding import Ended, Stopper
from conformance.client.faces import Face
from conformance.client.listening import TOKEN, Heard, served
from conformance.contract.catalogue import Side
from conformance.evidence.faces import FaceKind
from conformance.judging.judge import judge
from conformance.judging.selecting import known_failures, selected_ids
from conformance.reference.settings import DEFAULT_APPROVAL_PROMPT, DEFAULT_MODEL
from conformance.report.report import Report
from conformance.settings.options import Options
from conformance.settings.version import VERSION
from conformance.transcript.exchange import Exchange, Transcript
from conformance.wire.progress import Progress, Tell

LIMIT = 20.0
"""Seconds that the command has on each face."""
AGAIN = 24
"""The most faces that are run once more; where more differ, it is not the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is to be run."""

    command: tuple[str, ...]
    faces: tuple[Face, ...]
    """The plain one among them, first."""
    limit: float = LIMIT
    jobs: int | None = None
    """Faces at a time, those on which the server hangs aside; None: two for each processor."""
    same_output: bool = False
    every_face: bool = False
    """True where no option narrowed the faces."""


@dataclass(frozen=True, slots=True)
class Course:
    """A command's course on one face."""

    face: Face
    flow: str
    """The face's id, and for the second course on the plain server a number behind it."""
    ended: Ended
    heard: Heard

    def row(self, limit: float) -> dict[str, Any]:
        """As the transcript's options keep it."""
        ended = self.ended
        return {
            "face": self.flow, "kind": self.face.kind.value, "status": ended.status, "limit": limit,
            "seconds": round(ended.seconds, 3), "output": ended.output, "complained": ended.complained,
            "said": ended.said, "hangs": self.face.hangs,
        }  # fmt: skip


def run(trial: Trial, options: Options, progress: Tell | None = None, stopper: Stopper | None = None) -> Report:
    """Run the command on every face, and judge it.

    Args:
        trial: what to run.
        options: what to judge; `side` need not be set.
        progress: called as each face is over.
        stopper: ends it early, from another thread; None: Ctrl-C alone does.

    Raises:
        UsageError: an option is wrong; nothing was run.
        OSError: the command could not be started.
    """
    options = replace(options, side=Side.CLIENT)
    selected_ids(options)
    known = known_failures(options)
    started = time.time()
    transcript = record(trial, options, progress, stopper)
    result = judge(transcript, options=options, known=known)
    return Report.of(replace(result, started=started, ended=time.time()))


def record(trial: Trial, options: Options, progress: Tell | None = None, stopper: Stopper | None = None) -> Transcript:
    """The recording; after Ctrl-C, of what was done by then.

    Raises:
        OSError: the command could not be started.
    """
    recorder = _Recorder(trial, progress, stopper or Stopper())
    interrupted = False
    try:
        recorder.all()
    except KeyboardInterrupt:
        interrupted = True
    courses = recorder.courses
    exchanges: list[Exchange] = []
    for course in courses:
        exchanges += course.heard.exchanges()
    exchanges.sort(key=lambda exchange: exchange.started)
    kept = {
        **options.recorded(), "side": Side.CLIENT.value, "suite": VERSION, "model": DEFAULT_MODEL, "embedded": True,
        "approval_prompt": DEFAULT_APPROVAL_PROMPT, "command": told(trial.command),
        "faces": [course.row(trial.limit) for course in courses], "same_output": trial.same_output,
        "every_face": trial.every_face and not interrupted, "interrupted": interrupted,
        "remarks": _remarks(courses, recorder.passed_again, interrupted),
    }  # fmt: skip
    return Transcript(tuple(exchanges), kept, f"kitemesh-conformance {VERSION}")


def told(command: Sequence[str]) -> str:
    """A command as a shell would take it, for people."""
    return shlex.join(command)[:500]


def variables(url: str) -> dict[str, str]:
    """What a client finds in its environment."""
    return {
        "KITEMESH_URL": url, "KITEMESH_TOKEN": TOKEN, "KITEMESH_MODEL": DEFAULT_MODEL,
        "KITEMESH_APPROVAL_PROMPT": DEFAULT_APPROVAL_PROMPT,
        "OPENAI_BASE_URL": url, "OPENAI_API_KEY": TOKEN,
        "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost",
    }  # fmt: skip


class _Recorder:
    """Runs the command on the faces, several at a time."""

    def __init__(self, trial: Trial, progress: Tell | None, stopper: Stopper) -> None:
        self._trial = trial
        self._progress = progress
        self._stopper = stopper
        self._done: dict[str, Course] = {}
        self._planned = len(trial.faces) + 1
        self._lock = threading.Lock()
        self.passed_again: list[str] = []
        """Faces on which the command ended otherwise once, and as on the plain server when it was run again."""

    @property
    def courses(self) -> list[Course]:
        """Those that are over, the plain ones first, then in the order of the faces."""
        places = {face.id: number for number, face in enumerate(self._trial.faces)}
        return sorted(self._done.values(), key=lambda course: (places[course.face.id], course.flow))

    def all(self) -> None:
        """Run all; where the command fails on the plain server, only that."""
        plain, *others = self._trial.faces
        try:
            self._together([(plain, plain.id), (plain, f"{plain.id}-2")])
            standard = self._done[plain.id].ended.status if plain.id in self._done else None
            if standard != 0:
                return
            silent = [(face, face.id) for face in others if face.hangs]
            self._together([(face, face.id) for face in others if not face.hangs], beside=silent)
            odd = [
                course.face
                for course in self.courses
                if course.face.kind is FaceKind.VARIATION and course.ended.status != standard
            ]
            for face in odd if len(odd) <= AGAIN else ():
                self._keep(self._course(face, face.id))
                if self._done[face.id].ended.status == standard:
                    self.passed_again.append(face.id)
        except BaseException:
            self._stopper.stop()
            raise

    def _together(self, flows: Sequence[tuple[Face, str]], beside: Sequence[tuple[Face, str]] = ()) -> None:
        """Several at a time; those beside them wait for most of their time, and take no place of the others."""
        jobs = self._trial.jobs or 2 * (os.cpu_count() or 1)
        with ThreadPoolExecutor(jobs) as places, ThreadPoolExecutor(max(1, len(beside))) as more:
            futures = [more.submit(self._one, *flow) for flow in beside]
            futures += [places.submit(self._one, *flow) for flow in flows]
            try:
                _first_error(futures)
            except BaseException:
                self._stopper.stop()
                for pool in (places, more):
                    pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _one(self, face: Face, flow: str) -> None:
        if not self._stopper.stopped:
            self._keep(self._course(face, flow))

    def _course(self, face: Face, flow: str) -> Course:
        heard = Heard(flow)
        with served(face, heard) as url:
            ended = commanding.run(self._trial.command, variables(url), self._trial.limit, self._stopper)
        return Course(face, flow, ended, heard)

    def _keep(self, course: Course) -> None:
        with self._lock:
            if self._stopper.stopped:
                return
            self._done[course.flow] = course
            if self._progress:
                self._progress(Progress("client", len(self._done), self._planned, 0.0, unit="faces"))


def _first_error(futures: Iterable[Future[None]]) -> None:
    """Wait for all; raises what the first of them that failed raised, without waiting for the others."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=0.5, return_when="FIRST_COMPLETED")
        for future in done:
            future.result()


def _remarks(courses: Iterable[Course], passed_again: Sequence[str], interrupted: bool) -> list[str]:
    told = ["It was interrupted; what had been recorded by then was judged."] if interrupted else []
    if passed_again:
        told.append(
            f"The command ended otherwise once on {', '.join(passed_again)}, and as on the plain server when it was "
            "run there again, with nothing beside it."
        )
    by_remark: dict[str, list[str]] = {}
    for course in courses:
        for remark in course.ended.remarks:
            by_remark.setdefault(remark, []).append(course.flow)
        if course.heard.flooded:
            by_remark.setdefault("sent more requests than are recorded", []).append(course.flow)
    for remark, flows in by_remark.items():
        more = f" and {len(flows) - 6} more" if len(flows) > 6 else ""
        told.append(f"The command {remark}: on {', '.join(flows[:6])}{more}.")
    return told
