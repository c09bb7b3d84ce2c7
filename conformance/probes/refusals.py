"""Probes of what must be refused: credentials, bodies, methods and media types (areas auth, reject, and stream's
refusals).

They cost nothing: no model answers them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from conformance.probes.accept import MINIMAL, MINIMAL_STREAM
from conformance.probes.flow import CHAT, JSON_TYPE, RESUME, Compose, Flow, Phase, Send, WaitingApproval, encode, single
from conformance.probes.plan import Plan
from conformance.probes.rules import BY_ID, MISSING, RAW_RULES, RULES, Rule

NEVER_ISSUED = "Bearer km_never_issued_by_anyone_000000"
NEAR = "Bearer {near}"
BASIC = "Basic " + base64.b64encode(b"conformance:not-a-password").decode()

CHANGED = 4
"""Characters in which a token that is nearly the real one differs: more than a coding may leave without meaning."""


def nearly(token: str, *others: str) -> str:
    """A token that nobody issued, as long as the real one and of the same shape, and other in its end only.

    Letters stay letters of the same case, those of hexadecimal numbers too, and digits stay digits.

    Args:
        token: the real one.
        others: tokens that are known to have been issued.
    """
    places = [place for place, character in enumerate(token) if character in _NEXT]
    ends = places[-min(CHANGED, max(1, len(places) // 2)) :] if places else []
    made = list(token) if ends else [*token, "x"]
    for place in ends:
        made[place] = _NEXT[made[place]]
    changed = "".join(made)
    return nearly(changed, token, *others) if changed in others else changed


_NEXT = {
    character: characters[(place + 3) % len(characters)] if len(characters) > 6 else characters[(place + 2) % 6]
    for characters in ("0123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ")
    for place, character in enumerate(characters)
}
"""Each character's stand-in, of its own kind; to go on from it leads back only after three steps or more."""

QUICK_RULES = frozenset(
    {"model-missing", "model-pattern", "messages-missing", "messages-empty", "no-user", "role-enum", "stream-type",
     "max-tokens-maximum", "max-completion-tokens-maximum", "temperature-maximum", "mode-enum"}
)  # fmt: skip
STREAM_RULES = ("messages-empty", "role-enum", "temperature-maximum")
RAW_FIXED = ("empty", "cut", "array", "string", "null", "trailing-text", "trailing-comma", "text")


def flows(plan: Plan) -> Iterator[Flow]:
    """The fixed probes of these areas."""
    yield from credentials(plan)
    for rule in RULES:
        for number, value in enumerate(rule.values):
            quick = rule.id in QUICK_RULES and number == 0
            yield _broken(plan, f"reject-{rule.id}{f'-{number + 1}' if number else ''}", rule, value, quick=quick)
    for id_ in STREAM_RULES:
        rule = BY_ID[id_]
        yield _broken(
            plan, f"stream-refusal-{id_}", rule, rule.values[0], area="stream",
            quick=id_ == "messages-empty", stream=True,
        )  # fmt: skip
    yield from _raw(plan)
    yield from _method_and_media(plan)


def _broken(plan: Plan, name: str, rule: Rule, value: Any, *, area: str = "reject", quick: bool, **fields: Any) -> Flow:
    def make(round_: int) -> Send:
        valid = Compose(plan, round_).body(name, **fields)
        return Send(
            name, encode(rule.apply(valid, value, 0)), twin=MINIMAL_STREAM if fields.get("stream") else MINIMAL,
            breach=rule.id,
        )  # fmt: skip

    return single(area, Phase.CALM, name, make, quick=quick, covers=("error", "http"))


def _raw(plan: Plan) -> Iterator[Flow]:
    def broken(name: str, body: bytes, breach: str, quick: bool = False) -> Flow:
        return single(
            "reject", Phase.CALM, name, lambda r: Send(name, body, twin=MINIMAL, breach=breach), quick=quick,
            covers=("error", "http"),
        )  # fmt: skip

    valid = encode(Compose(plan).body("reject-body"))
    for raw in RAW_RULES:
        if raw.id in RAW_FIXED:
            yield broken(f"reject-body-{raw.id}", raw.make(valid), f"body-{raw.id}", quick=raw.id in ("empty", "cut"))
    for literal in ("NaN", "Infinity"):
        body = valid[:-1] + b',"temperature":' + literal.encode() + b"}"
        yield broken(f"reject-temperature-{literal.lower()}", body, "temperature-literal")


def _method_and_media(plan: Plan) -> Iterator[Flow]:
    def other(name: str, quick: bool = False, **changes: Any) -> Flow:
        def make(round_: int) -> Send:
            valid = encode(Compose(plan, round_).body(name))
            return Send(
                name, changes.get("body", valid), twin=MINIMAL, **{k: v for k, v in changes.items() if k != "body"}
            )

        return single("reject", Phase.CALM, name, make, quick=quick, covers=("error", "http"))

    yield other("reject-method-put", method="PUT", quick=True)
    yield other("reject-media-type-text", headers=(("Content-Type", "text/plain"),), quick=True)
    form = (("Content-Type", "application/x-www-form-urlencoded"),)
    yield other("reject-media-type-form", headers=form, body=b"model=group&messages=Hello")


def credentials(plan: Plan) -> Iterator[Flow]:
    """Bad credentials, at most three of them a token that was never issued, and odd spellings of the good one.

    The token that nobody issued comes in two kinds: one that shares nothing with the real one, and one that is nearly
    it, which tells a server that looks at a token's beginning or length alone.
    """

    def with_authorization(
        name: str,
        authorization: str | None,
        *,
        quick: bool = False,
        served: bool = False,
        phase: Phase = Phase.CALM,
        path: str = CHAT,
        **f: Any,
    ) -> Flow:
        def make(round_: int) -> Send:
            compose = Compose(plan, round_)
            body = compose.body(name, **{k: v for k, v in f.items() if k != "broken"})
            if f.get("broken"):
                body = BY_ID["messages-missing"].apply(body, MISSING, 0)
            twin = MINIMAL_STREAM if f.get("stream") else MINIMAL
            return Send(name, encode(body), path, authorization=authorization, twin=twin, served=served)

        return single("auth", phase, name, make, quick=quick, covers=("error", "http"))

    # It needs no model: where the very first request is left without an answer, it tells whether anybody is there.
    yield with_authorization("auth-missing-header", None, quick=True, phase=Phase.OPENING)
    yield with_authorization("auth-empty-bearer", "Bearer", quick=True)
    if plan.quick or not _resumes(plan):
        yield with_authorization("auth-unknown-token", NEVER_ISSUED, quick=True)
    yield with_authorization("auth-near-token", NEAR, quick=True)
    yield with_authorization("auth-missing-header-stream", None, stream=True, quick=True)
    yield with_authorization("auth-empty-bearer-stream", "Bearer", stream=True)
    yield with_authorization("auth-unknown-token-stream", NEVER_ISSUED, stream=True)
    yield with_authorization("auth-other-scheme", BASIC, quick=True)
    yield with_authorization("auth-scheme-lower-case", "bearer {token}", served=True, quick=True)
    yield with_authorization("auth-before-validation", None, broken=True, quick=True)
    yield with_authorization("auth-before-validation-stream", None, broken=True, stream=True)
    if plan.approvals:  # a target without them need not have the endpoint
        yield with_authorization("auth-before-validation-resume", None, broken=True, path=RESUME)


def _resumes(plan: Plan) -> bool:
    """True where a bad token is sent to resume: with those of a JSON answer and of a stream it is the third."""
    return plan.approvals and plan.approval_prompt is not None


def on_resume(
    compose: Compose,
    paused: dict[str, Any],
    approval: WaitingApproval,
    decision: dict[str, Any],
    *,
    stream: bool = False,
) -> list[Send]:
    """The same credentials on resume; the decision denies, in case that a server lets it pass.

    As a stream without the token that nobody issued, of which a run sends but a few.
    """
    kinds: list[tuple[str, str | None]] = [("missing-header", None), ("empty-bearer", "Bearer")]
    if not stream:
        kinds.append(("unknown-token", NEAR))
    made = []
    for kind, authorization in kinds:
        name = f"resume-auth-{kind}" + ("-stream" if stream else "")
        body = compose.resume(name, paused, approval, **decision, **({"stream": True} if stream else {}))
        made.append(Send(name, encode(body), RESUME, authorization=authorization))
    return made


__all__ = ["BASIC", "JSON_TYPE", "NEAR", "NEVER_ISSUED", "credentials", "flows", "nearly", "on_resume"]
