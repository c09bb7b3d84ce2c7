"""What a client sent: the requests that its area judges, and which of them are tries of one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, cast

from conformance.contract.classify import Asked, classify
from conformance.evidence.evidence import Evidence
from conformance.evidence.faces import FaceKind, kind_of
from conformance.evidence.reading import Reading
from conformance.evidence.select import every
from conformance.transcript.exchange import NO_ANSWER, Ending

CLOCKS = 1.0
"""Seconds by which the clocks of client and server may differ, and that a date rounds off."""
_VOLATILE = re.compile(
    r"retry|request-id|correlation|trace|span|b3|date|time|idempotency|content-length|cookie", re.IGNORECASE
)
"""Names of header fields that differ from try to try of one request."""

posts = every.where(lambda r: r.asked.endpoint and r.exchange.request.method == "POST")
"""Requests to the documented endpoints; a browser's OPTIONS before them carries nothing."""


def of_client(reading: Reading) -> Asked:
    """What the body of a request deserves, whoever's token it had."""
    known: dict[str, Asked] = reading.evidence.memo.setdefault("client's requests", {})
    if reading.name not in known:
        request = reading.exchange.request
        fields = {name.lower(): value for name, value in request.headers}
        known[reading.name] = classify(request.method, request.url, fields, request.body, shape=reading.evidence.shape)
    return known[reading.name]


def field(reading: Reading, name: str) -> str | None:
    found = [value for key, value in reading.exchange.request.headers if key.lower() == name]
    return ", ".join(found) if found else None


def on_fault(reading: Reading) -> bool:
    return kind_of(reading.evidence, reading.note.flow) is FaceKind.FAULT


def lost(reading: Reading) -> bool:
    """True where no whole answer came."""
    return reading.exchange.ending in NO_ANSWER | {Ending.CUT, Ending.LEFT} or reading.failed_within


Tries = Sequence[Reading]


def tries_of(evidence: Evidence) -> list[Tries]:
    """The same requests of one face, in the order in which they were sent."""
    if "tries" not in evidence.memo:
        found: dict[Any, list[Reading]] = defaultdict(list)
        for reading in posts.readings(evidence):
            request = reading.exchange.request
            if request.body is not None:
                steady = tuple(sorted((k.lower(), v) for k, v in request.headers if not _VOLATILE.search(k)))
                key = reading.note.flow, request.url, request.body, request.credential, steady
                found[key].append(reading)
        evidence.memo["tries"] = [sorted(tries, key=lambda r: r.started) for tries in found.values()]
    return cast(list[Tries], evidence.memo["tries"])
