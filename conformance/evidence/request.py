"""What the request of an exchange shows: whose it is, and which answer it must get."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from conformance.contract.classify import Asked, Due, classify
from conformance.probes.flow import Phase
from conformance.transcript.exchange import Credential, Exchange

if TYPE_CHECKING:
    from conformance.evidence.evidence import Evidence


class RequestReading:
    """The request's part of a `Reading`."""

    def __init__(self, exchange: Exchange, evidence: Evidence) -> None:
        self.exchange = exchange
        self.evidence = evidence
        self.name = exchange.name
        self.note = exchange.note
        self.started = exchange.started
        """Unix seconds."""

    @cached_property
    def asked(self) -> Asked:
        """The answer that the request must get."""
        request = self.exchange.request
        asked = classify(
            request.method,
            request.url,
            {k.lower(): v for k, v in request.headers},
            request.body,
            str(request.credential),
            model=self.evidence.model,
            modes=self.evidence.modes,
            shape=self.evidence.shape,
        )
        if request.body is None and self.exchange.streams:
            asked = replace(asked, stream=True)  # whoever got a stream will have asked for one
        if self.evidence.profile and asked.endpoint:
            asked = replace(asked, due=Due.OPEN, requirement="", reason="left open by the profile", edge=False)
        return asked

    @cached_property
    def due(self) -> Due:
        """What a conforming server does with it."""
        return self.asked.due

    @cached_property
    def text(self) -> str:
        """The request's body as text; where it is JSON with escapes, as it would stand without them, too."""
        octets = self.exchange.request.body or b""
        raw = octets.decode("utf-8", "replace")
        if b"\\u" not in octets or self.asked.parsed.value is None:
            return raw
        return f"{raw}\n{json.dumps(self.asked.parsed.value, ensure_ascii=False)}"

    @property
    def generated(self) -> bool:
        """True where the body was generated, now or, when it is replayed, by an earlier run."""
        return self.note.phase in (Phase.GENERATED, Phase.REPLAY)

    @property
    def as_client(self) -> bool:
        """True where it was sent with a client's own header fields: area sdk judges whether that is served."""
        return self.with_client_fields and not self.asked.resume

    @property
    def with_client_fields(self) -> bool:
        """True where it had a client's header fields, whichever requirement judges a refusal."""
        return self.note.area == "sdk"

    @property
    def odd_scheme(self) -> bool:
        """True where the good token came with another spelling of `Bearer`."""
        if self.exchange.request.credential is not Credential.OWN:
            return False
        value = next((v for k, v in self.exchange.request.headers if k.lower() == "authorization"), "Bearer ")
        return not value.startswith("Bearer ")

    @property
    def whose(self) -> Credential:
        """Whose token it had."""
        return self.exchange.request.credential
