"""The rule of every denial: a request without a good token is answered 401. Area error judges the error object."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.check import JudgeOne
from conformance.evidence.finding import Finding, Unjudged
from conformance.evidence.place import STATUS
from conformance.evidence.reading import Reading
from conformance.evidence.select import Selection, server_error, unauthenticated, when
from conformance.transcript.exchange import Credential

_error_object = when(
    lambda r: r.taken and r.error is not None and not r.streamed,
    "an error object with a success status",
    by="error.status",
)
"""A 2xx with an error object."""


def without_good_token(requirement: str) -> Selection:
    """Requests that this requirement says must be denied."""
    return unauthenticated(requirement).unless(server_error, _error_object)


def denied(*yields_to: str) -> JudgeOne:
    """A judge for requests without a good token: the status is 401."""

    def judge(reading: Reading) -> Iterator[Finding | Unjudged]:
        if reading.status != 401:
            yield reading.finding(
                f"a request with {_WHAT.get(reading.whose, 'no good token')} is not denied",
                "status 401 and the error object",
                reading.told,
                STATUS,
                yields_to=yields_to,
            )

    return judge


_WHAT = {
    Credential.NONE: "no Authorization header",
    Credential.EMPTY: "an empty bearer token",
    Credential.NEVER_ISSUED: "a token that was never issued",
    Credential.NEARLY_OWN: "a token that differs from the real one only at its end",
    Credential.OTHER_MIDDLE: "a token that differs from the real one only in its middle",
    Credential.OTHER_SCHEME: "another authentication scheme",
}
