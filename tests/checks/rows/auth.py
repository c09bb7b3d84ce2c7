"""Rows on who may ask."""

from __future__ import annotations

import dataclasses
from typing import Any

from checks.case import OPEN, Breaks, Holds, breaks, holds
from checks.exchanges import (
    PAGE,
    WELL,
    WELL_STREAM,
    again,
    answer,
    chat,
    chat_stream,
    completion,
    decision,
    denied,
    error_object,
    exchange,
    limited,
    paused,
    put,
    refused,
    sent,
    streamed,
    unanswered,
    with_header,
    with_response,
    with_status,
)

from conformance.transcript.exchange import Credential, Ending, Exchange


def _passed(name: str, credential: Credential, **fields: Any) -> Exchange:
    """A request without a good token that is served all the same."""
    made = chat_stream(name, **fields) if fields.get("stream_") else chat(name)
    return dataclasses.replace(made, request=denied(name, credential, made.request.body).request)


def _broken(name: str) -> Any:
    return {key: value for key, value in sent(name).items() if key != "messages"}


LOWER = {"authorization": "bearer ********"}
STREAMED_401 = [error_object("s", "authentication_error", "authentication_error"), "[DONE]"]


def _denied_as(name: str, status: int, **more: Any) -> Exchange:
    return with_status(denied(name, **more), status)


def _turned_away(name: str, status: int = 401, **more: Any) -> Exchange:
    """A request with the good token that is answered as if it were none."""
    return _denied_as(name, status, credential=Credential.OWN, **more)


OF_ALL_KINDS = (
    sent("k1", request_id=False), sent("k2", temperature=2), sent("k3", stream=True),
    sent("k4", metadata={"mode": "auto"}), {**sent("k5"), "messages": []}, {**sent("k6"), "model": "gpt-4"},
    {**sent("k7"), "stream": "true"}, b"{",
)  # fmt: skip
"""Requests that seven requirements speak of."""

ROWS: tuple[Breaks | Holds, ...] = (
    *(
        row
        for requirement, credential in (
            ("auth.missing-header", Credential.NONE),
            ("auth.empty-bearer", Credential.EMPTY),
            ("auth.unknown-token", Credential.NEVER_ISSUED),
            ("auth.unknown-token", Credential.NEARLY_OWN),
            ("auth.unknown-token", Credential.OTHER_MIDDLE),
        )
        for row in (
            breaks(requirement, "served", _passed("a", credential)),
            breaks(requirement, "400", _denied_as("a", 400, credential=credential)),
            breaks(requirement, "403", _denied_as("a", 403, credential=credential)),
            breaks(requirement, "404", _denied_as("a", 404, credential=credential)),
            breaks(requirement, "redirected to a login", _denied_as("a", 302, credential=credential)),
            breaks(requirement, "no answer", WELL, unanswered("a", Ending.TIMED_OUT_FIRST_BYTE, credential=credential)),
            holds(requirement, "401", denied("a", credential)),
            holds(requirement, "429", with_status(limited("a", credential=credential), 429), state=OPEN),
            holds(requirement, "503", _denied_as("a", 503, credential=credential), state=OPEN),
        )
    ),
    breaks("auth.known-token", "401 to a valid request", WELL, _turned_away("a")),
    breaks("auth.known-token", "401 now and then, and 200 when asked again", WELL, _turned_away("a"), again(chat("a"))),
    breaks("auth.known-token", "403 now and then", WELL, _turned_away("a", 403), again(chat("a"))),
    breaks("auth.known-token", "401 to an invalid request, and 422 when asked again", WELL,
           _turned_away("a", body=_broken("a")), again(refused("a", _broken("a")))),
    breaks("auth.known-token", "401 on resume", WELL, paused("p"), _turned_away(
        "a", body=decision("a", "p"), endpoint="/chat/resume")),
    *(breaks("auth.known-token", f"{status} to whatever is asked for a while", WELL, *(
        _turned_away(f"k{number}", status, body=body) for number, body in enumerate(OF_ALL_KINDS)), chat("after"))
      for status in (401, 403)),
    breaks("auth.known-token", "401 to whatever is asked, asked three times", WELL, *(
        again(_turned_away(f"k{number}", body=body), attempt)
        for number, body in enumerate(OF_ALL_KINDS) for attempt in (1, 2, 3)), chat("after")),
    holds("auth.known-token", "a good token is taken", WELL, denied("a")),
    holds("auth.known-token", "the token was never taken", _turned_away("a"), state=OPEN),
    holds("auth.known-token", "a lock that tells why", WELL, put(
        _turned_away("a", 403), "/error/message", "Too many failed attempts. Try again in 30 seconds.")),
    breaks("error.schema-elsewhere", "a firewall's page is not a refusal of the token", WELL, exchange(
        "a", sent("a"), answer(PAGE, 403, "text/html"))),
    breaks("accept.metadata", "403 to one mode", WELL, refused("a", sent("a", metadata={"mode": "orch"}), 403),
           WELL_STREAM),
    breaks("auth.error-codes", "another type", put(denied("a"), "/error/type", "invalid_request_error")),
    breaks("auth.error-codes", "another code", put(denied("a"), "/error/code", "unauthorized")),
    holds("auth.error-codes", "another message", put(denied("a"), "/error/message", "Nein.")),
    breaks("auth.wrong-scheme", "served", _passed("a", Credential.OTHER_SCHEME)),
    breaks("auth.wrong-scheme", "400", _denied_as("a", 400, credential=Credential.OTHER_SCHEME)),
    holds("auth.wrong-scheme", "401", denied("a", Credential.OTHER_SCHEME)),
    breaks("auth.scheme-case", "bearer is not taken", WELL, denied("a", Credential.OWN, **LOWER)),
    breaks("auth.scheme-case", "bearer brings 400", WELL, refused("a", sent("a"), 400, **LOWER)),
    breaks("accept.minimal", "bearer brings the 400 that Bearer brings", refused("a", sent("a", request_id=False), 400),
           refused("b", sent("b"), 400, **LOWER), paused("p")),
    holds("auth.scheme-case", "bearer is taken", WELL, chat("a", **LOWER)),
    holds("auth.scheme-case", "the token was never taken", denied("a", Credential.OWN, **LOWER), state=OPEN),
    breaks("auth.challenge", "no WWW-Authenticate", with_header(denied("a"), "WWW-Authenticate", None)),
    breaks("auth.challenge", "an empty one", with_header(denied("a"), "WWW-Authenticate", " ")),
    holds("auth.challenge", "a realm", with_header(denied("a"), "www-authenticate", 'Bearer realm="x"')),
    breaks("auth.before-validation", "422", refused("a", _broken("a"), 422, credential=Credential.NONE)),
    breaks("auth.before-validation", "served", exchange("a", _broken("a"), answer(completion("a", "x")),
                                                        credential=Credential.NONE)),
    holds("auth.before-validation", "401", denied("a", body=_broken("a"))),
    holds("auth.before-validation", "401 to an array", denied("a", body=[])),
    holds("auth.before-validation", "malformed JSON, which the contract leaves out, brings 400",
          refused("a", b'{"model":', 400, credential=Credential.NONE), state=OPEN),
    holds("auth.before-validation", "413 of what stands in front and reads no token",
          refused("a", _broken("a"), 413, credential=Credential.NONE), state=OPEN),
    holds("auth.before-validation", "another media type brings 415",
          refused("a", b"model=x", 415, credential=Credential.NONE, content_type="text/plain"), state=OPEN),
    breaks("auth.stream-refused-as-json", "401 as an event stream",
           exchange("a", sent("a", stream=True), with_response(
               with_header(exchange("a", {}, streamed(STREAMED_401, status=401)), "WWW-Authenticate", "Bearer")
           ).response, credential=Credential.NONE)),
    breaks("auth.stream-refused-as-json", "served", _passed("a", Credential.NONE, stream_=True)),
    breaks("auth.stream-refused-as-json", "400",
           refused("a", sent("a", stream=True), 400, credential=Credential.NEVER_ISSUED)),
    holds("auth.stream-refused-as-json", "401", denied("a", body=sent("a", stream=True))),
    breaks("auth.no-token-echo", "in the body", with_response(chat("a"), redacted=((10, 24),))),
    breaks("auth.no-token-echo", "in a header", with_response(chat("a"), redacted_headers=("X-Token",))),
    breaks("auth.no-token-echo", "in an error", with_response(refused("a", _broken("a")), redacted=((10, 24),))),
    breaks("auth.no-token-echo", "in a stream", with_response(chat_stream("a"), redacted=((90, 24),))),
    breaks("auth.no-token-echo", "one that is nearly the real one", with_response(
        denied("a", Credential.NEARLY_OWN), redacted=((10, 24),))),
    holds("auth.no-token-echo", "nowhere", chat("a")),
)  # fmt: skip
