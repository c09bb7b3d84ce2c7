"""Stream mutants: one operator on the events of one kind of stream, at one position."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from conformance.proving.mutants.answers import another
from conformance.proving.mutants.mutant import Change, Mutant, thinned
from conformance.proving.mutants.octets import Out, events, with_events
from conformance.proving.mutants.scene import ALWAYS, Kind, Scene, Subject
from conformance.transcript.exchange import Ending, Exchange

POSITIONS: Mapping[str, Callable[[int], int | None]] = {
    "first": lambda count: 0,
    "second": lambda count: 1 if count > 3 else None,
    "middle": lambda count: count // 2 if count > 5 else None,
    "last-but-one": lambda count: count - 2 if count > 2 else None,
    "last": lambda count: count - 1,
}
"""Of so many events, `[DONE]` as the last, the number of the one that is meant; None: there is none of its own."""

TRAITS = {
    Kind.STREAM: (ALWAYS, "chat", "resume", "cut", "first", "with-id", "without-id", "limit", "concurrent",
                  "after-abort", "denied", "approved", "own-fields", "foreign-text", "mode-synth"),
    Kind.APPROVAL_STREAM: (ALWAYS, "chat", "resume", "first", "one-call"),
}  # fmt: skip

Outs = list[Out]
OnEvents = Callable[[Outs, int], Sequence[Out] | None]
"""Gives the events after one operator at one of them; None: it does not apply there."""


def _data(out: Out) -> bytes:
    return out.data.removeprefix(b"data: ").removesuffix(b"\n\n")


def _at(outs: Outs, n: int, *those: Out) -> Outs:
    return [*outs[:n], *those, *outs[n + 1 :]]


def _written(write: Callable[[bytes], bytes]) -> OnEvents:
    """The octets of the event, written in another way."""
    return lambda outs, n: _at(outs, n, replace(outs[n], data=write(outs[n].data)))


def _before(octets: bytes) -> OnEvents:
    """Something in front of the event."""
    return lambda outs, n: _at(outs, n, Out(octets, outs[n].at), outs[n])


def _field(name: bytes) -> OnEvents:
    return _written(lambda data: name + data.removeprefix(b"data: "))


def _split(outs: Outs, n: int) -> Outs:
    data = _data(outs[n])
    half = len(data) // 2
    return _at(outs, n, replace(outs[n], data=b"data: %b\n\ndata: %b\n\n" % (data[:half], data[half:])))


def _on_two_lines(outs: Outs, n: int) -> Outs | None:
    data = _data(outs[n])
    comma = data.find(b',"') + 1
    return (
        _at(outs, n, replace(outs[n], data=b"data: %b\ndata: %b\n\n" % (data[:comma], data[comma:]))) if comma else None
    )


def _invalid(outs: Outs, n: int) -> Outs:
    data = outs[n].data
    member = b"{" in data
    at = data.find(b"{") + 1 if member else data.find(b"]")
    return _at(outs, n, replace(outs[n], data=data[:at] + (b'"x_name":"\xff",' if member else b"\xff") + data[at:]))


def _swapped(outs: Outs, n: int) -> Outs | None:
    return [*outs[:n], outs[n + 1], outs[n], *outs[n + 2 :]] if n + 1 < len(outs) else None


def _cut_inside(outs: Outs, n: int) -> Outs:
    return [*outs[:n], replace(outs[n], data=outs[n].data[: len(outs[n].data) // 2])]


_ERROR = json.dumps(
    {"error": {"message": "The model failed.", "type": "server_error", "code": "server_error", "request_id": "req_1"}}
).encode()


def _usage(outs: Outs) -> bytes:
    envelope = {k: v for k, v in (outs[0].value or {}).items() if k != "kitemesh"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return b"data: %b\n\n" % json.dumps({**envelope, "choices": [], "usage": usage}).encode()


ANYWHERE: Mapping[str, OnEvents] = {
    "drop": lambda outs, n: _at(outs, n),
    "repeat": lambda outs, n: _at(outs, n, outs[n], outs[n]),
    "swap": _swapped,
    "join": _written(lambda data: data.removesuffix(b"\n")),
    "split": _split,
    "on-two-lines": _on_two_lines,
    "cut-behind": lambda outs, n: outs[: n + 1],
    "cut-inside": _cut_inside,
    "crlf": _written(lambda data: data.replace(b"\n", b"\r\n")),
    "cr": _written(lambda data: data.replace(b"\n", b"\r")),
    "bom": _before(b"\xef\xbb\xbf"),
    "octet": _invalid,
    "late": lambda outs, n: [*outs[:n], *outs[n + 1 :], outs[n]],
    "early": lambda outs, n: [outs[n], *outs[:n], *outs[n + 1 :]],
    "field-in-capitals": _field(b"DATA: "),
    "field-title": _field(b"Data: "),
    "field-plural": _field(b"datas: "),
    "field-indented": _field(b" data: "),
    "field-space-before-colon": _field(b"data : "),
    "field-without-space": _field(b"data:"),
    "field-two-spaces": _field(b"data:  "),
    "field-missing": _field(b""),
    "field-other": _field(b"message: "),
    "named": _before(b"event: delta\n"),
    "named-error": _before(b"event: error\n"),
    "named-message": _before(b"event: message\n"),
    "numbered": _before(b"id: 7\n"),
    "retry": _before(b"retry: 3000\n"),
    "comment": _before(b": ping\n\n"),
    "comment-line": _before(b":\n"),
    "blank-lines": _before(b"\n\n"),
    "unknown-line": _before(b"status: working\n"),
    "empty-data": _before(b"data:\n\n"),
    "ping-data": _before(b"data: ping\n\n"),
    "null-data": _before(b"data: null\n\n"),
    "array-data": _before(b"data: []\n\n"),
    "text-data": _before(b'data: "ping"\n\n'),
    "error": _before(b"data: %b\n\n" % _ERROR),
    "usage": lambda outs, n: _at(outs, n, Out(_usage(outs), outs[n].at), outs[n]),
}  # fmt: skip
"""Operators for every position."""

AT_THE_END: Mapping[str, OnEvents] = {
    "done-small": lambda outs, n: _at(outs, n, replace(outs[n], data=b"data: [done]\n\n")),
    "done-quoted": lambda outs, n: _at(outs, n, replace(outs[n], data=b'data: "[DONE]"\n\n')),
    "done-bare": lambda outs, n: _at(outs, n, replace(outs[n], data=b"data: DONE\n\n")),
    "done-spaced": lambda outs, n: _at(outs, n, replace(outs[n], data=b"data: [DONE] \n\n")),
    "done-object": lambda outs, n: _at(outs, n, replace(outs[n], data=b'data: {"done": true}\n\n')),
    "done-event": lambda outs, n: _at(outs, n, replace(outs[n], data=b"event: done\ndata: {}\n\n")),
    "usage-behind": lambda outs, n: [*outs, Out(_usage(outs), outs[n].at)],
    "error-behind": lambda outs, n: [*outs, Out(b"data: %b\n\n" % _ERROR, outs[n].at)],
    "comment-behind": lambda outs, n: [*outs, Out(b": bye\n\n", outs[n].at)],
    "octets-behind": lambda outs, n: [*outs, Out(b"}\n", outs[n].at)],
}
"""Operators for `[DONE]`, which is the last event."""


NOTHING = {("first", "early"), ("last", "late"), ("last", "swap"), ("last", "cut-behind"), ("last", "broken-behind")}
"""Position and operator that leave everything where it is."""


def enumerate_all(scenes: Sequence[Scene]) -> Iterator[Mutant]:
    """Every stream mutant."""
    for kind, traits in TRAITS.items():
        for trait in traits:
            for position in POSITIONS:
                if kind is Kind.APPROVAL_STREAM and position in ("second", "middle"):
                    continue
                yield from thinned(_at_position(kind, trait, position))
            for name, whole in WHOLE.items():
                yield Mutant("stream", kind, "whole", name, trait, _whole(whole))


def _at_position(kind: Kind, trait: str, position: str) -> Iterator[Mutant]:
    for name, on_events in {**ANYWHERE, **(AT_THE_END if position == "last" else {})}.items():
        if (position, name) not in NOTHING:
            yield Mutant("stream", kind, position, name, trait, _on_events(position, on_events), name == "error")
    for name, ending in ENDINGS.items():
        if (position, name) not in NOTHING:
            yield Mutant("stream", kind, position, name, trait, _on_exchange(position, ending), repeats=True)
    yield Mutant("stream", kind, position, "anothers", trait, _anothers(position))


def _on_events(position: str, operator: OnEvents) -> Change:
    def change(subject: Subject, scene: Scene) -> Exchange | None:
        assert subject.exchange.response is not None
        outs = events(subject.exchange.response)
        n = POSITIONS[position](len(outs))
        made = None if n is None else operator(outs, n)
        return None if made is None else with_events(subject.exchange, made)

    return change


# --- how it ends


def _stopped(ending: Ending, waited: float, *, inside: bool = False) -> Callable[[Exchange, Outs, int], Exchange]:
    def change(exchange: Exchange, outs: Outs, n: int) -> Exchange:
        kept = _cut_inside(outs, n) if inside else outs[: n + 1]
        cut = with_events(exchange, kept)
        return replace(
            cut, ending=ending, finished=cut.finished + waited, error=f"the body was not complete ({ending})"
        )

    return change


ENDINGS: Mapping[str, Callable[[Exchange, Outs, int], Exchange]] = {
    "broken-behind": _stopped(Ending.CUT, 0.0),
    "broken-inside": _stopped(Ending.CUT, 0.0, inside=True),
    "hangs-behind": _stopped(Ending.TIMED_OUT_IDLE, 60.0),
}
"""The connection ends, or nothing more comes, at this event."""


def _on_exchange(position: str, operator: Callable[[Exchange, Outs, int], Exchange]) -> Change:
    def change(subject: Subject, scene: Scene) -> Exchange | None:
        assert subject.exchange.response is not None
        outs = events(subject.exchange.response)
        n = POSITIONS[position](len(outs))
        return None if n is None else operator(subject.exchange, outs, n)

    return change


def _anothers(position: str) -> Change:
    """A chunk of another stream comes in front of the event."""

    def change(subject: Subject, scene: Scene) -> Exchange | None:
        other = another(subject, scene)
        assert subject.exchange.response is not None
        outs = events(subject.exchange.response)
        n = POSITIONS[position](len(outs))
        if n is None or other is None or other.response is None:
            return None
        theirs = events(other.response)
        return with_events(subject.exchange, _at(outs, n, replace(theirs[len(theirs) // 2], at=outs[n].at), outs[n]))

    return change


# --- all of it


def _texts(outs: Outs) -> list[str]:
    return [text for out in outs if isinstance(text := _delta(out).get("content"), str)]


def _delta(out: Out) -> dict[str, Any]:
    choices = (out.value or {}).get("choices") or [{}]
    delta = choices[0].get("delta")
    return delta if isinstance(delta, dict) else {}


def _with_delta(out: Out, **members: Any) -> Out:
    value = out.value
    choice = value["choices"][0]
    changed = {**choice, "delta": {**choice["delta"], **members}}
    return out.with_value({**value, "choices": [changed, *value["choices"][1:]]})


def _growing(exchange: Exchange, outs: Outs) -> Exchange | None:
    made, text = [], ""
    for out in outs:
        piece = _delta(out).get("content")
        if isinstance(piece, str) and piece:
            text += piece
            out = _with_delta(out, content=text)
        made.append(out)
    return with_events(exchange, made) if len([t for t in _texts(outs) if t]) > 1 else None


def _whole_again(exchange: Exchange, outs: Outs) -> Exchange | None:
    text = "".join(_texts(outs))
    return with_events(exchange, _at(outs, len(outs) - 2, _with_delta(outs[-2], content=text))) if text else None


def _whole_in_message(exchange: Exchange, outs: Outs) -> Exchange | None:
    text, value = "".join(_texts(outs)), outs[-2].value
    message = {"role": "assistant", "content": text}
    choices = [{**value["choices"][0], "message": message}]
    return (
        with_events(exchange, _at(outs, len(outs) - 2, outs[-2].with_value({**value, "choices": choices})))
        if text
        else None
    )


def _characters_cut(exchange: Exchange, outs: Outs) -> Exchange | None:
    """Every border between two texts lies inside of a character."""
    numbers = [n for n, out in enumerate(outs) if _delta(out).get("content")]
    if len(numbers) < 2:
        return None
    made = list(outs)
    for n in numbers:
        text = _delta(outs[n])["content"]
        made[n] = _with_delta(
            outs[n], content=("\ufffd" if n != numbers[0] else "") + text + ("\ufffd" if n != numbers[-1] else "")
        )
    return with_events(exchange, made)


def _surrogate(exchange: Exchange, outs: Outs) -> Exchange | None:
    n = next((n for n, out in enumerate(outs) if _delta(out).get("content")), None)
    if n is None:
        return None
    marked = _with_delta(outs[n], content=f"{_delta(outs[n])['content']}\ue000")
    return with_events(exchange, _at(outs, n, replace(marked, data=marked.data.replace("\ue000".encode(), b"\\ud83d"))))


def _held_back(exchange: Exchange, outs: Outs) -> Exchange:
    return with_events(exchange, [replace(out, at=outs[-1].at) for out in outs])


def _open_longer(exchange: Exchange, outs: Outs) -> Exchange:
    return replace(exchange, finished=exchange.finished + 10.0)


def _never_closed(exchange: Exchange, outs: Outs) -> Exchange:
    return replace(exchange, finished=exchange.finished + 60.0, ending=Ending.TIMED_OUT_IDLE)


def _lines_ended(exchange: Exchange, outs: Outs, end: bytes) -> Exchange:
    return with_events(exchange, [replace(out, data=out.data.replace(b"\n", end)) for out in outs])


WHOLE: Mapping[str, Callable[[Exchange, Outs], Exchange | None]] = {
    "empty": lambda exchange, outs: with_events(exchange, []),
    "done-alone": lambda exchange, outs: with_events(exchange, outs[-1:]),
    "usage-alone": lambda exchange, outs: with_events(exchange, [Out(_usage(outs), outs[0].at), outs[-1]]),
    "no-text": lambda exchange, outs: with_events(exchange, [outs[0], *outs[-2:]]) if len(outs) > 3 else None,
    "growing": _growing,
    "whole-again": _whole_again,
    "whole-in-message": _whole_in_message,
    "characters-cut": _characters_cut,
    "lone-surrogate": _surrogate,
    "held-back": _held_back,
    "open-longer": _open_longer,
    "never-closed": _never_closed,
    "reversed": lambda exchange, outs: with_events(exchange, outs[::-1]),
    "twice": lambda exchange, outs: with_events(exchange, [*outs[:-1], *outs]),
    "one-block": lambda exchange, outs: with_events(
        exchange, [*(replace(out, data=out.data[:-1]) for out in outs[:-1]), outs[-1]]
    ),
    "crlf": lambda exchange, outs: _lines_ended(exchange, outs, b"\r\n"),
    "cr": lambda exchange, outs: _lines_ended(exchange, outs, b"\r"),
    "json-lines": lambda exchange, outs: with_events(exchange, [replace(o, data=_data(o) + b"\n") for o in outs]),
}  # fmt: skip
"""Operators on a stream as a whole."""


def _whole(operator: Callable[[Exchange, Outs], Exchange | None]) -> Change:
    def change(subject: Subject, scene: Scene) -> Exchange | None:
        assert subject.exchange.response is not None
        return operator(subject.exchange, events(subject.exchange.response))

    return change
