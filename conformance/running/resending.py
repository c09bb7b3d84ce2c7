"""Sending a recorded request again: its octets as they were, with a fresh approval where it needs one.

A request that was one of several at once is sent with the others. A resume needs an approval that waits: the request to
which that was the answer is sent first, then what had been decided on it before, and in each body the new ids stand in
the place of the old ones.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from conformance.evidence.approvals import approval_of, given, resumes_of
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding
from conformance.evidence.reading import Reading
from conformance.probes.flow import Phase
from conformance.probes.refusals import BASIC, NEVER_ISSUED, tokens
from conformance.settings.options import Options, UsageError
from conformance.transcript.exchange import Credential, Exchange, Request, Transcript
from conformance.transcript.redaction import Redactor
from conformance.wire.client import Client
from conformance.wire.limits import Limits
from conformance.wire.outgoing import Outgoing
from conformance.wire.reach import route

SLOW = 0.15
"""Seconds between the reads of a slow reader."""
MOST_DECISIONS = 4
"""The most requests on one approval that are sent before the one in question: the latest, and what was served."""
_AUTHORIZATION: Mapping[Credential, str | None] = {
    Credential.NONE: None,
    Credential.EMPTY: "Bearer",
    Credential.NEVER_ISSUED: NEVER_ISSUED,
    Credential.OTHER_SCHEME: BASIC,
    Credential.NEARLY_OWN: "Bearer {near}",
    Credential.OTHER_MIDDLE: "Bearer {middle}",
    Credential.SECOND: "{scheme} {second}",
    Credential.OWN: "{scheme} {token}",
}


@dataclass(frozen=True, slots=True)
class Again:
    """What one more sending of a request brought."""

    exchange: Exchange
    findings: tuple[Finding, ...]
    """What the exchange breaks now: of the requirements that it broke before, or of any where it broke none."""
    evidence: Evidence
    """It is judged by."""


class Lost(Exception):
    """It could not be sent again. The message is a sentence."""


def found(transcript: Transcript, name: str) -> Exchange:
    """The exchange of a name, or the last attempt of the probe of that name.

    Raises:
        UsageError: there is none, or its request was not recorded whole.
    """
    exchange = next((e for e in transcript if e.name == name), None)
    if exchange is None:
        exchange = next((e for e in reversed(transcript.exchanges) if e.note.probe == name), None)
    if exchange is None:
        import difflib

        near = difflib.get_close_matches(name, [e.name for e in transcript], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "the reports name each finding's exchange."
        raise UsageError(f"The recording has no exchange called {name!r}: {hint}")
    if exchange.request.credential not in _AUTHORIZATION:
        raise UsageError(f"{name!r} was not sent by this suite, so that nobody knows its token; use its curl line.")
    if exchange.request.body is None:
        raise UsageError(f"The body of {name!r} was not recorded (--no-bodies), so that it cannot be sent again.")
    return exchange


def batches(evidence: Evidence, exchange: Exchange) -> list[list[Exchange]]:
    """What is sent, in its order; what is in one list is sent at once. The last one has the exchange."""
    note = exchange.note
    together = [exchange]
    if note.group:
        of_it = (note.group, note.flow, note.round)
        beside = [e for e in evidence.transcript if (e.note.group, e.note.flow, e.note.round) == of_it]
        together = [*(e for e in beside if e.note.attempt == 1 and e.note.probe != note.probe), exchange]
    by_name = {reading.name: reading for reading in evidence.all}
    before: list[list[Exchange]] = []
    for one in together:
        before += (batch for batch in _before(evidence, by_name[one.name], together) if batch not in before)
    return [*before, together]


def _before(evidence: Evidence, reading: Reading, together: Sequence[Exchange]) -> Iterator[list[Exchange]]:
    """What has to be sent before a resume, so that an approval waits as it did."""
    approval = given(evidence).get(approval_of(reading) or "") if reading.asked.resume else None
    if approval is None:
        return
    yield from _before(evidence, approval.by, together)
    yield [approval.by.exchange]
    earlier = [
        r
        for r in resumes_of(evidence, approval.id)
        if r.started < reading.started and r.exchange not in together and r.note.group is None
    ]
    needed = [r for r in earlier if r.taken] + earlier[-1:]
    yield from ([r.exchange] for r in dict.fromkeys(needed[-MOST_DECISIONS:]))


def again(transcript: Transcript, exchange: Exchange, options: Options, times: int) -> Iterator[Again]:
    """Send it, and say what it breaks now, so many times.

    Args:
        transcript: where it was recorded.
        exchange: of `found`.
        options: checked, with a URL and a token.
        times: how often.

    Raises:
        Lost: it cannot be sent again; what has been sent by then was given.
    """
    from conformance.judging import judge as judging

    evidence = Evidence(transcript)
    broken = {finding.requirement for finding in judging.findings(transcript) if finding.exchange == exchange.name}
    order = batches(evidence, exchange)
    beside = [e for e in transcript if e.note.phase == Phase.OPENING or e.name == exchange.note.twin]
    for number in range(1, times + 1):
        sent = asyncio.run(_send(evidence, order, options, number))
        mine = next(e for e in sent if e.note.probe == exchange.note.probe and e.name.startswith(exchange.name))
        names = {e.name for e in sent}
        made = Transcript((*(e for e in beside if e.name not in names), *sent), dict(transcript.options))
        findings = [f for f in judging.findings(made) if f.exchange == mine.name]
        shown = [f for f in findings if f.requirement in broken] if broken else findings
        yield Again(mine, tuple(shown), Evidence(made))


async def _send(
    evidence: Evidence, order: Sequence[Sequence[Exchange]], options: Options, number: int
) -> list[Exchange]:
    secrets = tokens(options.token or "", options.second_token or "")
    way = route.of(options, os.environ)
    redactor = Redactor([*(s for s in secrets.values() if s), NEVER_ISSUED.removeprefix("Bearer "), *way.secrets()])
    replaced: dict[bytes, bytes] = {}
    made: list[Exchange] = []
    gives = {approval.by.name: approval.id for approval in given(evidence).values()}
    async with Client(
        options.url or "",
        concurrency=max(map(len, order)),
        limits=Limits.scaled(options.timeout),
        redactor=redactor,
        route=way,
        extra_headers=options.headers,
    ) as client:
        for batch in order:
            outgoing = [_outgoing(one, options, secrets, replaced, number) for one in batch]
            answers = await asyncio.gather(*map(client.exchange, outgoing))
            for old, new in zip(batch, answers, strict=True):
                made.append(new)
                if old.name in gives:
                    replaced |= _renamed(evidence, old, new)
    return made


def _renamed(evidence: Evidence, old: Exchange, new: Exchange) -> dict[bytes, bytes]:
    """The ids of an approval, each with the one that stands in its place now."""
    before = next(reading for reading in evidence.all if reading.exchange is old)
    after = Evidence(Transcript((new,), evidence.options)).all[0]
    if not after.waits:
        raise Lost(f"It needs an approval that waits, and none came: {old.name} was answered {_came(new)}.")
    ids = [(before.kitemesh.get("approval_id"), after.kitemesh.get("approval_id"))]
    ids += zip((c.get("id") for c in before.calls), (c.get("id") for c in after.calls), strict=False)
    pairs = [(a, b) for a, b in ids if isinstance(a, str) and isinstance(b, str)]
    return {spell(a).encode(): spell(b).encode() for a, b in pairs for spell in (str, str.lower, str.upper)}


def _came(exchange: Exchange) -> str:
    return str(exchange.status) if exchange.status is not None else f"not at all ({exchange.ending})"


def _outgoing(
    exchange: Exchange, options: Options, secrets: Mapping[str, str], replaced: Mapping[bytes, bytes], number: int
) -> Outgoing:
    request, note = exchange.request, exchange.note
    body = request.body or b""
    for old, new in replaced.items():
        body = body.replace(old, new)
    return Outgoing(
        f"{exchange.name}+{number}",
        request.method,
        "/chat/resume" if request.url.endswith("/chat/resume") else "/chat/completions",
        tuple(_headers(request, options, secrets)),
        body,
        request.credential,
        replace(note, attempt=1),
        leave_after=note.left_after,
        fresh=True,
        pause=SLOW if note.slow else 0.0,
    )


def _headers(request: Request, options: Options, secrets: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The fields as they were sent, with the token in its place; those of `--header` come from the options anew."""
    mine = {name.lower() for name, _ in options.headers}
    template = _AUTHORIZATION[request.credential]
    for name, value in request.headers:
        if name.lower() == "authorization":
            if template is not None:
                yield name, template.format(scheme=value.split(" ", 1)[0], **secrets)
        elif name.lower() not in {"host", "content-length", "transfer-encoding", "connection"} | mine:
            if not value or set(value) != {"*"}:  # one of `--header` is masked
                yield name, value
