"""Area auth: who may ask, on both endpoints (resume.auth is in `resume`)."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.check import each
from conformance.checks.rules.denial import denied, without_good_token
from conformance.contract.catalogue import load
from conformance.contract.classify import Due
from conformance.evidence.answer import Words
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.json_values import optional
from conformance.evidence.place import STATUS, Place
from conformance.evidence.reading import KNOWN_TOKEN, Reading
from conformance.evidence.select import every, excused, fields_unknown, last, never_admitted, server_error, when
from conformance.probes.refusals import NEVER_ISSUED
from conformance.transcript.exchange import Credential

GENERAL = load().basic("auth")

for _id in (*GENERAL, "auth.wrong-scheme"):
    each(_id, without_good_token(_id))(denied())
_too_large = when(lambda r: r.status == 413, "the body is too large for what reads it before the token")
each("auth.before-validation", without_good_token("auth.before-validation").unless(_too_large))(denied())


def _with_good_token(reading: Reading) -> bool:
    """True for an answer to the caller's own token, whichever attempt: what asking again got past is told, too."""
    return reading.whose is Credential.OWN and bool(reading.asked.endpoint) and reading.status is not None


def _of_the_token(reading: Reading) -> bool:
    """False for a 401 or 403 that is not about the token."""
    return reading.name in reading.evidence.turned_away or not reading.refuses_token


@each(KNOWN_TOKEN, every.where(_with_good_token).unless(never_admitted).where(_of_the_token))
def known_token(reading: Reading) -> Iterator[Finding]:
    """A token that passes elsewhere is taken for every request."""
    if reading.name in reading.evidence.turned_away:
        yield reading.finding(
            "a token that is accepted elsewhere is refused",
            "no 401 or 403: the same token was accepted before or after",
            reading.told,
            STATUS,
        )


@each("auth.stream-refused-as-json", without_good_token("auth.stream-refused-as-json"))
def stream_refused_as_json(reading: Reading) -> Iterator[Finding | Unjudged]:
    """401 as JSON when `stream` is true."""
    yield from denied(*GENERAL)(reading)
    if reading.status == 401 and (reading.media_type == "text/event-stream" or reading.looks_streamed):
        yield reading.finding(
            "the 401 comes as an event stream", "a 401 in application/json", reading.told, Place(header="Content-Type")
        )


_denials = last.where(lambda r: r.status == 401)
_denied_objects = _denials.where(lambda r: r.due is Due.AUTHENTICATE).unless(
    when(lambda r: r.error is None, "the 401 has no error object", by="error.schema")
)


@each("auth.error-codes", _denied_objects)
def error_codes(reading: Reading) -> Iterator[Finding | Unjudged]:
    """`authentication_error` as `type` and `code` of that 401."""
    for member in ("type", "code"):
        seen = optional(reading.error, member)
        if not isinstance(seen, str):
            yield reading.unjudged(f"error.{member} is not a string", by="error.schema")
        elif seen != "authentication_error":
            yield reading.finding(
                f"the 401 has the wrong error {member}", '"authentication_error"', seen, Place(f"/error/{member}")
            )


@each("auth.challenge", _denials.unless(fields_unknown))
def challenge(reading: Reading) -> Iterator[Finding]:
    """`WWW-Authenticate` with a 401 (RFC 9110, section 15.5.2)."""
    if reading.response is not None and not (reading.response.header("www-authenticate") or "").strip():
        yield reading.finding(
            "the 401 does not say how to authenticate",
            "WWW-Authenticate: Bearer",
            Words("no such header field"),
            Place(header="WWW-Authenticate"),
        )


_odd_schemes = last.where(lambda r: r.odd_scheme and r.due is Due.ACCEPT)


@each("auth.scheme-case", _odd_schemes.unless(excused, server_error, never_admitted))
def scheme_case(reading: Reading) -> Iterator[Finding]:
    """The scheme's name in any case (RFC 9110, section 11.1)."""
    if not reading.taken:
        value = next(v for k, v in reading.exchange.request.headers if k.lower() == "authorization")
        yield reading.finding(
            f"the scheme {value.split(' ')[0]!r} is not accepted as Bearer",
            "the same answer as with Bearer",
            reading.told,
            STATUS,
            yields_to=("accept.minimal",),  # which Bearer does not bring either
        )


_STRANGE = NEVER_ISSUED.partition(" ")[2].encode()
"""The token that nobody issued, as recordings of earlier versions hold it: it is redacted by now, as the others are."""


_TOKENS = frozenset(
    {Credential.OWN, Credential.SECOND, Credential.NEVER_ISSUED, Credential.NEARLY_OWN, Credential.OTHER_MIDDLE}
)


def _bore_a_token(reading: Reading) -> bool:
    return reading.response is not None and reading.whose in _TOKENS


@each("auth.no-token-echo", every.where(_bore_a_token))
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
