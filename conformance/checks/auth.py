"""Area auth: who may ask, on both endpoints (resume.auth stands in `resume`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.checks.check import JudgeOne, each
from conformance.contract.classify import Due
from conformance.evidence.evidence import KNOWN_TOKEN, Evidence, Reading, Words
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.json_values import optional
from conformance.evidence.place import STATUS, Place
from conformance.evidence.select import Selected, unauthenticated
from conformance.probes.refusals import NEVER_ISSUED
from conformance.transcript.exchange import TIMED_OUT, Credential

SERVER_ERROR = "error.no-server-error"


def denied(*yields_to: str) -> JudgeOne:
    """A judge for requests without a good token: the status is 401. Of the error object, area error speaks."""

    def judge(reading: Reading) -> Iterator[Finding | Unjudged]:
        status = reading.status
        if status == 401:
            return
        if status is not None and status >= 500:
            yield reading.unjudged(f"status {status}", by=SERVER_ERROR)
            return
        if reading.taken and reading.error is not None and not reading.streamed:
            yield reading.unjudged("an error object, but not as an error", by="error.status")
            return
        yield reading.finding(
            f"a request with {_WHAT.get(reading.whose, 'no good token')} is not denied",
            "status 401 and the error object",
            told(reading),
            STATUS,
            yields_to=yields_to,
        )

    return judge


_WHAT = {
    Credential.NONE: "no Authorization header",
    Credential.EMPTY: "an empty bearer token",
    Credential.NEVER_ISSUED: "a token that was never issued",
    Credential.NEARLY_OWN: "a token that differs from the real one in its end only",
    Credential.OTHER_SCHEME: "another authentication scheme",
}


def told(reading: Reading) -> Words:
    """The status, or what came instead of an answer, in words."""
    if reading.status is not None:
        kind = f" ({reading.media_type})" if reading.media_type else ""
        return Words(f"status {reading.status}{kind}")
    if reading.exchange.ending in TIMED_OUT:
        seconds = reading.exchange.finished
        return Words(f"no answer within {seconds:.{0 if seconds >= 1 else 2}f} s")
    return Words(f"no answer: {reading.exchange.error or reading.exchange.ending}")


def _asks(requirement: str) -> Callable[[Evidence], Selected]:
    return lambda evidence: unauthenticated(evidence, requirement)


for _id in ("auth.missing-header", "auth.empty-bearer", "auth.unknown-token"):
    each(_id, _asks(_id))(denied())
each("auth.wrong-scheme", _asks("auth.wrong-scheme"))(denied())
each("auth.before-validation", _asks("auth.before-validation"))(
    denied("auth.missing-header", "auth.empty-bearer", "auth.unknown-token")
)


def _with_good_token(evidence: Evidence) -> Selected:
    """Answers to requests that bore the caller's own token, each attempt: what asking again got past is told, too."""
    for reading in evidence.all:
        if reading.whose is not Credential.OWN or not reading.asked.endpoint or reading.status is None:
            continue
        if not evidence.admitted:
            yield reading.unjudged("the token was never accepted")
        elif reading.name in evidence.turned_away or not reading.refuses_token:
            yield reading


@each(KNOWN_TOKEN, _with_good_token)
def known_token(reading: Reading) -> Iterator[Finding]:
    """A token that passes elsewhere is taken for every request."""
    if reading.name in reading.evidence.turned_away:
        yield reading.finding(
            "a token that passes elsewhere is refused",
            "no 401 or 403: the same token was accepted before or after",
            told(reading),
            STATUS,
        )


@each("auth.stream-refused-as-json", _asks("auth.stream-refused-as-json"))
def stream_refused_as_json(reading: Reading) -> Iterator[Finding | Unjudged]:
    """401 as JSON when `stream` is true."""
    yield from denied("auth.missing-header", "auth.empty-bearer", "auth.unknown-token")(reading)
    if reading.status == 401 and (reading.media_type == "text/event-stream" or reading.looks_streamed):
        yield reading.finding(
            "the 401 comes as an event stream", "a 401 in application/json", told(reading), Place(header="Content-Type")
        )


def _denials(evidence: Evidence) -> Iterator[Reading]:
    """Every 401, those of the last attempts."""
    return (r for r in evidence.last if r.status == 401)


def _denied_objects(evidence: Evidence) -> Selected:
    for reading in _denials(evidence):
        if reading.due is not Due.AUTHENTICATE:
            continue
        if reading.error is None:
            yield reading.unjudged("the 401 has no error object", by="error.schema")
        else:
            yield reading


@each("auth.error-codes", _denied_objects)
def error_codes(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`authentication_error` as `type` and `code` of that 401."""
    for member in ("type", "code"):
        seen = optional(reading.error, member)
        if not isinstance(seen, str):
            yield reading.unjudged(f"error.{member} is not a string", by="error.schema")
        elif seen != "authentication_error":
            yield reading.finding(
                f"the 401 has another error {member}", '"authentication_error"', seen, Place(f"/error/{member}")
            )


@each("auth.challenge", _denials)
def challenge(reading: Reading) -> Iterator[Finding]:
    """`WWW-Authenticate` with a 401 (RFC 9110, section 15.5.2)."""
    if reading.response is not None and not (reading.response.header("www-authenticate") or "").strip():
        yield reading.finding(
            "the 401 names no way to authenticate",
            "WWW-Authenticate: Bearer",
            Words("no such header field"),
            Place(header="WWW-Authenticate"),
        )


def _odd_schemes(evidence: Evidence) -> Selected:
    for reading in evidence.last:
        if not reading.odd_scheme or reading.due is not Due.ACCEPT:
            continue
        if reading.excuse:
            yield reading.unjudged(reading.excuse, excused=True)
        elif reading.status is not None and reading.status >= 500:
            yield reading.unjudged(f"status {reading.status}", by=SERVER_ERROR)
        elif not evidence.admitted:
            yield reading.unjudged("the token was never accepted")
        else:
            yield reading


@each("auth.scheme-case", _odd_schemes)
def scheme_case(reading: Reading) -> Iterator[Finding]:
    """The scheme's name in any case (RFC 9110, section 11.1)."""
    if not reading.taken:
        value = next(v for k, v in reading.exchange.request.headers if k.lower() == "authorization")
        yield reading.finding(
            f"the scheme {value.split(' ')[0]!r} is not taken for Bearer",
            "the same answer as with Bearer",
            told(reading),
            STATUS,
            yields_to=("accept.minimal",),  # which Bearer does not bring either
        )


_STRANGE = NEVER_ISSUED.partition(" ")[2].encode()
"""The token that nobody issued, as recordings of earlier versions hold it: it is redacted by now, as the others are."""


def _answered(evidence: Evidence) -> Iterator[Reading]:
    """Answers to requests that bore a token."""
    bore = (Credential.OWN, Credential.SECOND, Credential.NEVER_ISSUED, Credential.NEARLY_OWN)
    return (r for r in evidence.all if r.response is not None and r.whose in bore)


@each("auth.no-token-echo", _answered)
def no_token_echo(reading: Reading) -> Iterator[Finding]:
    """The whole token never comes back, in a body or a header."""
    response = reading.response
    if response is None:
        return
    fields, spots = list(response.redacted_headers), list(response.redacted)
    if reading.whose is Credential.NEVER_ISSUED:
        fields += [name for name, value in response.headers if _STRANGE in value.encode("latin-1", "replace")]
        if (found := response.body.find(_STRANGE)) >= 0:
            spots.append((found, len(_STRANGE)))
    seen = Words("the token of the request")
    for name in fields[:1]:
        yield reading.finding(
            "a header field holds the bearer token", "no token in an answer", seen, Place(header=name)
        )
    for offset, length in spots[:1]:
        yield reading.finding(
            "the body holds the bearer token", "no token in an answer", seen, Place(byte=offset), span=(offset, length)
        )
