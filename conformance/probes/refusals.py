"""Probes of what must be refused: credentials, bodies, methods and media types (areas auth, reject, and stream's
refusals).

They cost nothing: no model answers them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any

from conformance.contract.schema.samples import sample
from conformance.probes.accept import MINIMAL, MINIMAL_STREAM, STREAM_OF_TURNS, UNUSUAL_IDS, with_unusual_id
from conformance.probes.flow import (
    CHAT,
    JSON_TYPE,
    RESUME,
    Compose,
    Flow,
    Phase,
    Send,
    WaitingApproval,
    encode,
    single,
)
from conformance.probes.plan import Plan
from conformance.probes.rules import RAW_RULES, Body, Rule, among_more, numbered, quickly, rules_of, sent

NEVER_ISSUED = "Bearer km_never_issued_by_anyone_000000"
NEAR = "Bearer {near}"
MIDDLE = "Bearer {middle}"
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


def tokens(own: str, second: str) -> dict[str, str]:
    """What the names in `Send.authorization` stand for: the caller's own token, a second one, and two that are near."""
    return {
        "token": own,
        "second": second,
        "near": nearly(own, second),
        "middle": other_in_the_middle(own, second),
    }


def other_in_the_middle(token: str, *others: str) -> str:
    """A token that nobody issued, as long as the real one, which begins and ends as it does.

    So it tells a server that looks at a token's beginning, end or length alone. It is other in the case of a few
    letters alone, so that a server which folds case shows, too. Where case may not tell tokens apart, as in hexadecimal
    numbers and in codings of one case, other letters and digits stand for them.

    Args:
        token: the real one.
        others: tokens that are known to have been issued.
    """
    middle = max(0, (len(token) - OTHER) // 2)
    head, rest = token[:middle], token[middle:]
    changed = head + _LETTER.sub(lambda found: found[0].swapcase(), rest, count=OTHER)
    if _CASELESS.fullmatch(token.rpartition("_")[2]) or changed in (token, *others):
        changed = head + _CHARACTER.sub(lambda found: _NEXT[found[0]], rest, count=OTHER)
    return changed if changed not in (token, *others) else nearly(token, *others)


OTHER = 2
"""Letters in which it differs."""
_LETTER = re.compile("[A-Za-z]")
_CHARACTER = re.compile("[0-9A-Za-z]")
_CASELESS = re.compile("[0-9a-fA-F-]*|[0-9A-Z-]*|[0-9a-z-]*[0-9][0-9a-z-]*")
"""What some servers read without regard to case: hexadecimal numbers, and codings of letters of one case and digits."""

_NEXT = {
    character: characters[(place + 3) % len(characters)] if len(characters) > 6 else characters[(place + 2) % 6]
    for characters in ("0123456789", "abcdef", "ghijklmnopqrstuvwxyz", "ABCDEF", "GHIJKLMNOPQRSTUVWXYZ")
    for place, character in enumerate(characters)
}
"""Each character's stand-in, of its own kind; to go on from it leads back only after three steps or more."""

QUICK = frozenset(
    {"model-pattern", "messages-empty", "no-user", "part-type", "stream-type", "max-tokens-maximum",
     "max-completion-tokens-maximum", "temperature-maximum", "mode-enum"}
)  # fmt: skip
"""Rules that a quick run breaks in JSON; with those in streams and on resume, the choice that finds most."""
QUICK_IN_STREAMS = frozenset({"role-enum", "max-tokens-minimum", "temperature-minimum"})
STREAMED = 1
"""Bad values whose turn it is, of each rule in streams."""
SEVERAL = 3
"""Items of a list among which one is broken, in the first place, the middle or the last; or it is alone."""
RAW_FIXED = ("empty", "cut", "array", "string", "number", "true", "null", "trailing-text", "trailing-comma", "text")


def flows(plan: Plan) -> Iterator[Flow]:
    """The fixed probes of these areas."""
    yield from credentials(plan)
    for rule in rules_of(plan.shape).shared:
        for which in sent(plan, rule):
            name = numbered(f"reject-{rule.id}", rule, which)
            yield _broken(plan, name, rule, rule.values[which], quick=rule.id in QUICK and which == quickly(plan, rule))
        if rule.place == "/stream":
            continue
        for which in sent(plan, rule, STREAMED, where="stream"):
            name = numbered(f"stream-refusal-{rule.id}", rule, which)
            quick = rule.id in QUICK_IN_STREAMS and which == quickly(plan, rule)
            yield _broken(plan, name, rule, rule.values[which], area="stream", quick=quick, stream=True,
                          more=which in rule.certain and not plan.quick)  # fmt: skip
    yield from _unusual_ids(plan)
    yield from _raw(plan)
    yield from _method_and_media(plan)


def _unusual_ids(plan: Plan) -> Iterator[Flow]:
    """Bodies with unusual ids that break the schema elsewhere: refusing them is no reason to fail or to lose the id."""
    rule = rules_of(plan.shape).by_id["temperature-maximum"]
    for kind in UNUSUAL_IDS:
        for suffix, mode in (("", {}), ("-stream", {"stream": True})):
            name = f"reject-with-id-{kind}{suffix}"
            fields = {**with_unusual_id(plan, kind, name), **mode}
            yield _broken(plan, name, rule, rule.values[0], quick=False, **fields)


def _broken(
    plan: Plan,
    name: str,
    rule: Rule,
    value: Any,
    *,
    area: str = "reject",
    quick: bool,
    more: bool = False,
    **fields: Any,
) -> Flow:
    """A body with one breach and nothing else to it, or with `more` (`among_more`); other traits the generated have."""
    member, *_ = rule.broken.place.path or ("",)
    others, spot = plan.source("spot", name).choice(((0, 0), (SEVERAL, 0), (SEVERAL, 1), (SEVERAL, SEVERAL)))
    twin = STREAM_OF_TURNS if more else MINIMAL_STREAM if fields.get("stream") else MINIMAL

    def make(round_: int) -> Send:
        valid = Compose(plan, round_).body(name, **fields)
        valid = among_more(valid) if more else valid
        if rule.in_a_list and member not in valid:
            valid[member] = [sample(plan.shape[CHAT].members[member]["items"])] * others
        broken = rule.apply(valid, value, 0 if member == "messages" and not more else spot)
        return Send(name, encode(broken), twin=twin, breach=rule.id)

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
            yield broken(f"reject-body-{raw.id}", raw.make(valid), f"body-{raw.id}", quick=raw.id == "array")
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
    """Bad credentials, three tokens that were never issued among them, and odd spellings of the good one.

    One of the three is other than the real one in its end alone, which tells a server that looks at a token's
    beginning, one in its middle alone, and one shares nothing with it. The first two are sent in each mode and to
    resume, since a server may look closer in one place than in another: they stay the same tokens, so nobody takes
    them for an attempt to guess one.
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
            if broken := f.get("broken"):
                body = BROKEN[broken](body, path)
            twin = MINIMAL_STREAM if f.get("stream") else MINIMAL
            return Send(name, encode(body), path, authorization=authorization, twin=twin, served=served)

        return single("auth", phase, name, make, quick=quick, covers=("error", "http"))

    # It needs no model: where the very first request is left without an answer, it tells whether anybody is there.
    yield with_authorization("auth-missing-header", None, quick=True, phase=Phase.OPENING)
    yield with_authorization("auth-empty-bearer", "Bearer", quick=True)
    yield with_authorization("auth-unknown-token", NEVER_ISSUED)
    yield with_authorization("auth-near-token", NEAR)
    yield with_authorization("auth-other-middle", MIDDLE, quick=True)
    yield with_authorization("auth-missing-header-stream", None, stream=True, quick=True)
    yield with_authorization("auth-empty-bearer-stream", "Bearer", stream=True)
    yield with_authorization("auth-near-token-stream", NEAR, stream=True)
    yield with_authorization("auth-other-middle-stream", MIDDLE, stream=True)
    yield with_authorization("auth-other-scheme", BASIC)
    yield with_authorization("auth-scheme-lower-case", "bearer {token}", served=True)
    # A target without approvals need not have the other endpoint.
    for path, where in ((CHAT, ""), (RESUME, "-resume"))[: 2 if plan.approvals else 1]:
        for broken in BROKEN:
            name = f"auth-before-validation{where}" + ("" if broken == "missing" else f"-{broken}")
            quick = broken == "missing" and path == RESUME
            yield with_authorization(name, None, broken=broken, path=path, quick=quick)
            yield with_authorization(f"{name}-stream", None, broken=broken, path=path, stream=True)


def _with_bad_values(body: Body, path: str) -> Body:
    """Every member has the right type and a bad value: 501 messages, none of them a user's, and one of nobody's."""
    own = {"approval_id": "not-a-uuid", "approved_tool_execution_ids": ["not-a-uuid"],
           "denied_tools": [{"tool_execution_id": "not-a-uuid"}]}  # fmt: skip
    messages = [{"role": "robot", "content": "Hello"}, *[{"role": "assistant", "content": "Hello"}] * 500]
    return {
        **body, "model": "gpt-4", "messages": messages,
        "max_tokens": 0, "max_completion_tokens": 200_001, "temperature": 2.1, "metadata": {"mode": "turbo"},
        **(own if path == RESUME else {}),
    }  # fmt: skip


def _with_bad_types(body: Body, path: str) -> Body:
    """Every member has another type; `stream` where no stream is asked for."""
    own = dict.fromkeys(("approval_id", "approved_tool_execution_ids", "denied_tools"), 5)
    messages = [*body["messages"], {"role": 5, "content": 5}, {"role": "user", "content": [5]}, 5]
    return {
        "stream": "true", **body, "model": 5, "messages": messages, "max_tokens": "16", "max_completion_tokens": 1.5,
        "temperature": "1", "metadata": {"mode": 5, "request_id": 5}, **(own if path == RESUME else {}),
    }  # fmt: skip


BROKEN: dict[str, Callable[[Body, str], Body]] = {
    "missing": lambda body, path: {member: value for member, value in body.items() if member != "messages"},
    "empty": lambda body, path: {**body, "messages": []},
    "values": _with_bad_values,
    "types": _with_bad_types,
}
"""Bodies that break the schema, each in as many ways as go together: of those that come without a token."""


def on_resume(
    compose: Compose,
    paused: dict[str, Any],
    approval: WaitingApproval,
    decision: dict[str, Any],
    *,
    stream: bool = False,
) -> list[Send]:
    """The same credentials on resume; the decision denies, in case that a server lets it pass.

    As a stream without the token that differs in its end only: a run sends such tokens but a few times.
    """
    kinds: list[tuple[str, str | None]] = [
        ("missing-header", None),
        ("empty-bearer", "Bearer"),
        ("other-middle", MIDDLE),
    ]
    if not stream:
        kinds.append(("near-token", NEAR))
    made = []
    for kind, authorization in kinds:
        name = f"resume-auth-{kind}" + ("-stream" if stream else "")
        body = compose.resume(name, paused, approval, **decision, **({"stream": True} if stream else {}))
        made.append(Send(name, encode(body), RESUME, authorization=authorization))
    return made


__all__ = ["BASIC", "JSON_TYPE", "NEAR", "NEVER_ISSUED", "credentials", "flows", "nearly", "on_resume"]
