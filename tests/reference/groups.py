"""Groups of requests that show a fault, by the area that it breaks: whatever the answers are, the same are sent."""

from __future__ import annotations

import json
from typing import Any

from reference.showing import CHAT, RESUME, Ask, encoded

from conformance.probes import flow
from conformance.probes.refusals import BROKEN, nearly, other_in_the_middle
from conformance.reference.settings import DEFAULT_MODEL, FIRST_TOKEN

Group = tuple[Ask, ...]
"""Requests that are sent together."""


def chat(text: Any = "Reply with just this word: kalo", /, **members: Any) -> bytes:
    """A valid body with an id; `messages` stand before the one with the text."""
    messages = [*members.pop("messages", []), {"role": "user", "content": text}]
    metadata = {"request_id": "a-request-whose-id-is-not-short", **members.pop("metadata", {})}
    return encoded({"model": DEFAULT_MODEL, "messages": messages, "metadata": metadata, **members})


MINIMAL = encoded({"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": "Hello"}]})
UNNAMED = encoded({**json.loads(MINIMAL), "metadata": {}})
SYSTEM = {"role": "system", "content": "Sois bref, s'il te plaît."}
TURNS = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello"}]
COUNT = "Count from 1 to 60, one number per line"
PARTS = [{"type": "text", "text": "Hello"}, {"type": "text", "text": " world"}]
ALL = {"max_tokens": 1024, "max_completion_tokens": 1000, "temperature": 1, "metadata": {"mode": "auto"}}
NO_MESSAGES = encoded({"model": DEFAULT_MODEL})
MODES = [chat(metadata={"mode": mode}) for mode in ("auto", "normal", "orch", "synth")]


def with_members(**members: Any) -> bytes:
    return encoded({**json.loads(chat()), **members})


def with_message(message: Any) -> bytes:
    return chat(messages=[message])


SERVED = (
    MINIMAL, UNNAMED, chat(), chat(stream=False), chat(COUNT), chat(COUNT, max_tokens=16), chat(PARTS), *MODES,
    chat("Reply with just this word: søster"), chat(temperature=1), chat(messages=TURNS), chat(messages=[SYSTEM]),
    chat(COUNT, max_tokens=30, max_completion_tokens=3), *([chat()] * 18),
    chat(messages=[{"role": "user", "content": "Reply with just this word: baro"}, TURNS[1]]),
    chat(COUNT, max_tokens=1),
)  # fmt: skip
STREAMED = [chat(stream=True), chat(messages=TURNS, stream=True), chat(COUNT, stream=True)]
REFUSED = (
    NO_MESSAGES, chat(stream=True, temperature=3), b"{", b"", MINIMAL[:-1], with_members(messages=[]),
    with_members(temperature=3), chat(metadata={"mode": "turbo"}), with_message({"role": "robot"}),
    with_message(None), with_members(metadata=[]), with_members(messages=[TURNS[0]] * 501),
)  # fmt: skip
_METADATA: tuple[Any, ...] = (
    "x",
    [],
    {"mode": "x"},
    {"mode": "AUTO"},
    {"mode": "automatic"},
    {"mode": 5},
    {"request_id": 5},
)
BREACHES = (
    encoded({"messages": TURNS[:1]}), NO_MESSAGES,
    *(with_members(model=model) for model in (5, "gpt-4", "group:x", DEFAULT_MODEL[:-1], DEFAULT_MODEL[6:])),
    *(with_members(messages=messages) for messages in ([], "Hello", [TURNS[0]] * 501, [SYSTEM], TURNS[1:])),
    *(with_message(message) for message in (None, "Hello", {"content": "x"}, {"role": "robot"}, {"role": 5})),
    *(with_message({"role": role}) for role in ("User", ["user"])),
    *(with_message({"role": "user", "content": content}) for content in (5, True, ["Hello"])),
    *(with_members(stream=stream) for stream in ("true", 1, 0)),
    *(with_members(**{m: v}) for m in ("max_tokens", "max_completion_tokens")
      for v in (0, -1, 200_001, True, "16", 1.5, [16])),
    *(with_members(temperature=temperature) for temperature in (2.0001, 3, -1, -0.0001, True, "1")),
    *(MINIMAL[:-1] + b',"temperature":%s}' % literal for literal in (b"NaN", b"Infinity")),
    *(with_members(metadata=metadata) for metadata in _METADATA),
    b"", b"null", b"[" + MINIMAL + b"]", MINIMAL + b" x", MINIMAL[:-1] + b",}", b'"Hello"', b"Hello", MINIMAL[:-9],
    chat("Ünï", messages=TURNS, max_tokens=True), chat(messages=TURNS, temperature=3),
    chat(temperature=1, metadata={"mode": "x"}), chat(max_tokens=5, max_completion_tokens=0),
    chat(messages=[*TURNS, {"role": "robot"}]), encoded({**json.loads(chat(messages=TURNS)), "model": "x"}),
    chat(messages=[*TURNS, {"role": "user", "content": 5}, TURNS[1]]), chat(stream="x", max_tokens=5),
    chat(metadata={"mode": "auto", "request_id": 5}), with_members(messages=[SYSTEM, SYSTEM, TURNS[1]]),
)  # fmt: skip
PAIR_ESCAPED = b"\\ud83d\\ude00"
ESCAPED = (
    MINIMAL.replace(b"Hello", PAIR_ESCAPED), MINIMAL.replace(b"Hello", PAIR_ESCAPED)[:-1] + b',"stream":true}',
    chat(messages=[{"role": "system", "content": "here"}]).replace(b'"here"', b'"%s"' % PAIR_ESCAPED),
)  # fmt: skip
UNUSUAL_IDS = ("", "identifiant-é", "i" * 200)
SERVED_WITH_IDS, STREAMED_WITH_IDS, REFUSED_WITH_IDS = (
    [chat("Hello", metadata={"request_id": id_}, **fields) for id_ in UNUSUAL_IDS]
    for fields in ({}, {"stream": True}, {"temperature": 3})
)
WITHOUT_TOKEN = [
    Ask(encoded({**broken(json.loads(MINIMAL), path), **streamed}), None, path=f"/v1{path}")
    for broken in BROKEN.values()
    for path in (flow.CHAT, flow.RESUME)
    for streamed in ({}, {"stream": True})
]
VALID = (
    *SERVED_WITH_IDS,
    *SERVED[:13], chat(stream=False, **ALL), chat(stream=True, **ALL), chat(temperature=0.7), chat(temperature=0),
    chat(temperature=2), chat(max_completion_tokens=500), chat([*PARTS, *PARTS]), with_message(SYSTEM),
    *(chat(**{m: v}) for m in ("max_tokens", "max_completion_tokens") for v in (1, 200_000)),
    with_members(messages=[TURNS[0]] * 500), with_message({"role": "assistant", "content": None}),
    with_message({"role": "tool", "content": "x"}), chat(messages=TURNS),
    *(chat(text) for text in ("👍", "שלום", "e\u0301", "å", "\x07", "\u202ea", "\ufdd0", "\u2028")),
    chat(messages=[SYSTEM, *TURNS], temperature=1), chat(messages=[*TURNS, *TURNS], max_tokens=50),
    chat(PARTS, messages=TURNS, metadata={"mode": "auto"}), chat(messages=[SYSTEM], temperature=1, stream=True),
    chat(messages=TURNS, temperature=1, max_completion_tokens=50), chat(messages=[SYSTEM, SYSTEM]),
    *ESCAPED, json.dumps(json.loads(MINIMAL), indent=1).encode(),
    encoded(dict(reversed(json.loads(MINIMAL).items()))),
)  # fmt: skip
HOSTILE = (
    b'{"a":' + b"[" * 999 + b"]" * 999 + b"}", b'{"a":' * 999 + b"1" + b"}" * 999, b'{"max_tokens":%s}' % (b"9" * 400),
    b'{"a":NaN}', b'{"metadata":{"request_id":"\\udfff"}}', MINIMAL.replace(b"Hello", b"\\ud83d Hello"),
    MINIMAL.replace(b"Hello", b"\\u0000"), b"\xef\xbb\xbf" + MINIMAL, b'{"model":"x",' + MINIMAL[1:],
    MINIMAL[:-1] + b" " * 1_048_576 + b"}",
)  # fmt: skip
STRANGERS = (MINIMAL, NO_MESSAGES, STREAMED[0], encoded({"model": DEFAULT_MODEL, "stream": True}))
NEAR = f"Bearer {nearly(FIRST_TOKEN)}"
MIDDLE = f"Bearer {other_in_the_middle(FIRST_TOKEN)}"
CREDENTIALS = (
    None,
    "Bearer",
    "Bearer km_never",
    NEAR,
    MIDDLE,
    "Basic eDp5",
    f"bearer {FIRST_TOKEN}",
    f"BEARER {FIRST_TOKEN}",
)
PAIR = tuple(Ask(chat(f"Reply with just this word: {word}")) for word in ("same", "other"))


def at_once(*words: str, **members: Any) -> Group:
    asks = [chat(f"Reply with just this word: {w}", **members, metadata={"request_id": f"of-{w}"}) for w in words]
    return tuple(Ask(body) for body in asks)


GROUPS: dict[str, list[Group]] = {
    "auth": [
        *((Ask(body, credential),) for credential in CREDENTIALS for body in STRANGERS),
        *((Ask(MINIMAL, credential, path=RESUME),) for credential in CREDENTIALS[:3]),
        *((Ask(body),) for body in (*SERVED, STREAMED[0], NO_MESSAGES)),
        *((Ask(MINIMAL, None),), (Ask(MINIMAL, path=RESUME),)),
        *((ask,) for ask in WITHOUT_TOKEN),
        (Ask(MINIMAL, None, path=f"{CHAT}?access_token={FIRST_TOKEN}"),),
    ],
    "accept": [(Ask(body),) for body in VALID],
    "reject": [
        *((Ask(body),) for body in BREACHES),
        *((Ask(MINIMAL, media_type=type_),) for type_ in ("text/plain", "application/x-www-form-urlencoded")),
        (Ask(MINIMAL, method="PUT"),),
        (Ask(with_members(model="x"), path=RESUME),),
    ],
    "error": [
        *((Ask(body),) for body in (*REFUSED, *MODES, chat("👍"), with_message({"role": "user", "content": None}))),
        *((Ask(body, "Bearer"),) for body in (MINIMAL, STREAMED[0])),
        *((Ask(MINIMAL, method="PUT"),), (Ask(MINIMAL, media_type="text/plain"),)),
        *((Ask(body),) for body in (*SERVED[:3], *STREAMED[:2] * 3, *REFUSED_WITH_IDS)),
    ],
    "http": [
        *((Ask(body),) for body in (*SERVED[:16], *STREAMED, *REFUSED[:4])),
        *((Ask(body, keep=True),) for body in (MINIMAL, STREAMED[0], REFUSED[0])),
        (Ask(with_members(approval_id=DEFAULT_MODEL[6:]), path=RESUME, keep=True),),
    ],
    "completion": [(Ask(body),) for body in (*SERVED, *STREAMED)],
    "kitemesh": [(Ask(body),) for body in (*SERVED, *STREAMED, *SERVED_WITH_IDS, *STREAMED_WITH_IDS)],
    "robust": [
        *((Ask(body),) for body in HOSTILE),
        (Ask(chat(COUNT, stream=True), leave=400),),
        *((Ask(MINIMAL, wait=0.1),), (Ask(MINIMAL),), (Ask(MINIMAL),), (Ask(STREAMED[0]),)),
    ],
    "isolation": [
        at_once("one", "two", "three"),
        at_once("four", "five", "six", stream=True),
        PAIR,
        (Ask(chat(COUNT, stream=True)), Ask(chat(metadata={"request_id": "late"}), wait=0.35)),
    ],
}
