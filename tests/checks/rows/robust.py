"""Rows on hostile input, and what follows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from checks.case import OPEN, Breaks, Holds, breaks, holds
from checks.exchanges import (
    RESUME,
    WELL,
    answer,
    chat,
    chat_stream,
    completion,
    decision,
    events_of,
    exchange,
    limited,
    octets,
    paused,
    put,
    refused,
    resumed,
    sent,
    unanswered,
    with_events,
    with_status,
    word,
)

from conformance.probes.hostile import counting, edges
from conformance.transcript.exchange import Ending, Exchange, ProbeNote

HOSTILE = edges(octets(sent("a")))
AFTER = chat("after", at=90.0)
REFUSED = b"HTTP/1.1 200 OK\r\nServer : x\r\n\r\n"
RACED = 20.0
"""Seconds after the start of a round at which resumes race."""


def _tries(*made: Exchange) -> list[Exchange]:
    """One probe, tried so often, a second apart."""
    return [
        replace(one, name=f"a~{n}", started=10.0 + n, note=replace(one.note, probe="a", attempt=n))
        for n, one in enumerate(made, 1)
    ]


def _edge(name: str, status: int, **more: Any) -> Exchange:
    return put(refused("a", HOSTILE[name], status, area="robust", **more), "/error/request_id", "req_1")


def _silent(name: str, ending: Ending) -> Exchange:
    return unanswered("a", ending, HOSTILE[name], area="robust")


LARGE = octets(sent("a", request_id=False))[:-1] + b" " * 1_048_576 + b"}"


def _large(made: Exchange) -> Exchange:
    return replace(made, request=replace(made.request, body=LARGE), note=replace(made.note, area="robust"))


Round = Callable[[str], list[Exchange]]
"""Makes what is done in one round; its exchanges' names end with the round's, which is handed in."""


def _rounds(flow: str, *rounds: Round, area: str = "robust") -> list[Exchange]:
    """One act in several rounds, a minimal request served before each but the first."""
    made = []
    for number, make in enumerate(rounds, 1):
        tag = f".{number}"
        calm = [chat(f"before{tag}")] if number > 1 else []
        for place, one in enumerate((*calm, *make(tag))):
            attempt = int(one.name.partition("~")[2] or 1)
            probe = one.name.partition(".")[0]
            note = replace(one.note, flow=flow, area=area, probe=probe, round=number, attempt=attempt)
            started = one.started if one.started >= 0 else 50.0 * number + 2 * place
            made.append(replace(one, started=started, note=note))
    return made


def _leaving(tag: str) -> Exchange:
    """A client leaves a stream that counts and bears its word in every line."""
    name = f"gone{tag}"
    texts = [f"{number} {word(name)}\n" for number in (1, 2, 3)]
    made = chat_stream(name, texts, prompt=counting(word(name)), left_after=3, ending=Ending.LEFT)
    return with_events(made, events_of(made)[:3])


def _leaving_early(tag: str) -> Exchange:
    """A client leaves before an answer has begun."""
    name = f"gone{tag}"
    body = sent(name, stream=True, prompt=counting(word(name)))
    return unanswered(name, Ending.LEFT, body, left_after=-1, error="", took=0.05)


def _after(status: int, name: str = "b") -> Round:
    """A fair request that is answered by this status at first, and served when it is sent again."""
    return lambda tag: [refused(f"{name}{tag}", sent(name + tag), status), _again(name + tag)]


def _after_none(ending: Ending) -> Round:
    """Likewise without an answer at first."""
    return lambda tag: [unanswered(f"b{tag}", ending), _again(f"b{tag}")]


def _again(name: str) -> Exchange:
    return put(chat(f"{name}~2", word(name), body=sent(name)), "/kitemesh/request_id", f"req-{name}")


def _then(act: Callable[[str], Exchange], *after: Round) -> Round:
    return lambda tag: [act(tag), *(one for make in after for one in make(tag))]


def _headless(tag: str) -> list[Exchange]:
    """A fair request whose answer bears a head that clients refuse."""
    return [replace(unanswered(f"h{tag}", Ending.GARBAGE, sent(f"h{tag}", stream=True)), head=REFUSED)]


def _fine(tag: str) -> list[Exchange]:
    return [chat(f"b{tag}")]


def _left(*afterwards: Callable[[str], Exchange]) -> list[Exchange]:
    """A client leaves mid-stream, and asks for something afterwards; one try for each of the answers to that."""
    return _rounds("leaving", *(_then(_leaving, lambda tag, make=make: [make(f"b{tag}")]) for make in afterwards))


def _got(gone: Callable[[str], Exchange], make: Callable[[str, str], Exchange]) -> list[Exchange]:
    """A client leaves, and this is what the next request gets; `make` takes its name and that of what was left."""
    return _rounds("leaving", lambda tag: [gone(tag), make(f"b{tag}", f"gone{tag}")])


def _body(name: str, status: int, attempt: str = "") -> Callable[[str], Exchange]:
    """A hostile body that is answered by this status."""
    return lambda tag: put(refused(f"a{tag}{attempt}", HOSTILE[name], status), "/error/request_id", "req_1")


def _large_body(tag: str) -> Exchange:
    return _large(refused(f"a{tag}", b"", 413))


def _failing(one: int, of: int) -> list[Exchange]:
    """Fair requests, so many of which met 500 at first."""
    made = []
    for number in range(of):
        name, at = f"fair-{number}", 3.0 + number
        if number < one:
            made.append(refused(f"{name}~1", sent(name), 500, probe=name, at=at))
        made.append(
            replace(_again(name), note=ProbeNote(probe=name, attempt=2 if number < one else 1), started=at + 0.5)
        )
    return made


def _refused_late(one: int, of: int) -> list[Exchange]:
    """Bad requests, so many of which were reset at first."""
    made = []
    for number in range(of):
        name, at = f"bad-{number}", 3.0 + number
        body = {**sent(name), "temperature": 9}
        if number < one:
            made.append(replace(unanswered(f"{name}~1", Ending.RESET, body), started=at, note=ProbeNote(probe=name)))
        note = ProbeNote(probe=name, attempt=2 if number < one else 1)
        late = put(refused(f"{name}~2", body, 422), "/error/request_id", f"req-{name}")
        made.append(replace(late, started=at + 0.5, note=note))
    return made


def _all_500(name: str) -> list[Exchange]:
    """A request that is answered by a server error, again and again, while an approval is asked for."""
    first, second = (refused(f"{name}~{n}", sent(name), 500, probe=name, attempt=n) for n in (1, 2))
    return [first, paused(f"{name}-between"), second]


def _raced(loser: Callable[[str, Any], list[Exchange]]) -> Round:
    """Three resumes of one approval at the same moment; what the last one gets is made from its name and its body."""

    def make(tag: str) -> list[Exchange]:
        asked = paused(f"p{tag}")
        body = decision(f"ra{tag}", asked.name)
        made = [resumed(f"ra{tag}", asked.name, body=body), *loser(f"rb{tag}", body)]
        at = RACED + 50.0 * int(tag[1:])
        grouped = [replace(one, note=replace(one.note, group="race")) for one in made]
        return [asked, *(replace(one, started=at + 0.01 * place) for place, one in enumerate(grouped))]

    return make


def _lost(first: Callable[[str, Any], Exchange]) -> Round:
    """The loser's first answer, and 409 when it is sent again."""
    return _raced(lambda name, body: [first(name, body), _too_late(f"{name}~2", body)])


def _too_late(name: str, body: Any) -> Exchange:
    made = refused(name, body, 409, endpoint=RESUME)
    return put(made, "/error/request_id", body["metadata"]["request_id"])


def _lost_500(name: str, body: Any) -> Exchange:
    return with_status(_too_late(name, body), 500)


def _lost_none(name: str, body: Any) -> Exchange:
    return unanswered(name, body=body, endpoint=RESUME)


def _decided(first: Ending | None, before: bool = True) -> Round:
    """A resume after a refused one, not answered at first, or served at once; `before`: there was a refused one."""

    def make(tag: str) -> list[Exchange]:
        asked = paused(f"p{tag}")
        bad = decision(f"rx{tag}", asked.name, denied_tools=[{"tool_execution_id": "x"}])
        good = decision(f"rg{tag}", asked.name)
        lost = [unanswered(f"rg{tag}", first, good, endpoint=RESUME)] if first else []
        served = resumed(f"rg{tag}" + ("~2" if lost else ""), asked.name, body=good)
        served = put(served, "/kitemesh/request_id", f"req-rg{tag}")
        return [asked, *([refused(f"rx{tag}", bad, 422, endpoint=RESUME)] if before else []), *lost, served]

    return make


def _alone(tag: str) -> list[Exchange]:
    """A resume that nothing was refused before, reset at first."""
    made = _decided(Ending.RESET, before=False)(f"{tag}0")
    return [replace(one, started=180.0 + 2 * place) for place, one in enumerate(made)]


ROWS: tuple[Breaks | Holds, ...] = (
    *(breaks("robust.json-edges", f"{name}: 500", WELL, *_tries(_edge(name, 500), _edge(name, 500)), AFTER)
      for name in HOSTILE if name != "no-utf-8"),
    *(breaks("robust.json-edges", f"{name}: no answer", WELL, _silent(name, Ending.TIMED_OUT_FIRST_BYTE), AFTER)
      for name in ("nesting-array", "nan", "nul")),
    *(breaks("robust.json-edges", f"{name}: dropped again and again", WELL,
             *_tries(*[_silent(name, Ending.RESET)] * 3), AFTER) for name in ("lone-surrogate", "bom")),
    *(holds("robust.json-edges", f"{name}: 400", WELL, _edge(name, 400)) for name in HOSTILE),
    *(holds("robust.json-edges", f"{name}: 200", WELL, exchange("a", HOSTILE[name], answer(completion("a", "x")),
                                                                area="robust"))
      for name in ("lone-surrogate", "nul", "bom", "duplicate-keys")),
    holds("robust.json-edges", "413", WELL, _edge("nesting-object", 413)),
    holds("robust.json-edges", "dropped, and nothing else was served", _silent("bom", Ending.RESET), state=OPEN),
    breaks("robust.large-body", "500", WELL, *_tries(*[_large(refused("a", b"", 500))] * 3), AFTER),
    breaks("robust.large-body", "502", WELL, *_tries(*[_large(refused("a", b"", 502))] * 3), AFTER),
    holds("robust.large-body", "502 while approvals alone are answered", paused("p"), *_tries(
        *[_large(refused("a", b"", 502))] * 3), paused("q"), state=OPEN),
    breaks("robust.large-body", "no answer", WELL, _large(unanswered("a", Ending.TIMED_OUT_FIRST_BYTE)), AFTER),
    breaks("robust.large-body", "reset again and again", WELL, *_tries(*[_large(unanswered("a"))] * 3), AFTER),
    *(holds("robust.large-body", f"{status}", WELL, _large(refused("a", b"", status))) for status in (400, 413, 422)),
    holds("robust.large-body", "200", _large(chat("a", request_id=False))),
    holds("robust.large-body", "429", WELL, _large(limited("a"))),
    breaks("robust.disconnect", "no answer afterwards", WELL, *_left(
        *[lambda name: unanswered(name, Ending.TIMED_OUT_FIRST_BYTE)] * 2)),
    breaks("robust.disconnect", "refused connections afterwards", WELL, *_left(
        *[lambda name: unanswered(name, Ending.REFUSED)] * 2)),
    breaks("robust.disconnect", "422 afterwards", WELL, *_left(*[lambda name: refused(name, sent(name))] * 2)),
    holds("robust.disconnect", "served afterwards", *_left(chat)),
    holds("robust.disconnect", "not served once of two tries", WELL, *_left(unanswered, chat)),
    holds("robust.disconnect", "429 afterwards", WELL, *_left(limited), state=OPEN),
    holds("robust.disconnect", "served when the abandoned answer has come to its end", WELL, *_left(
        lambda name: chat(name, took=20.0))),
    holds("robust.disconnect", "500 at first, and not when it is done again", WELL, *_rounds(
        "leaving", _then(_leaving, _after(500)), _then(_leaving, _fine))),
    holds("robust.disconnect", "500 at first, not done again", WELL, *_rounds(
        "leaving", _then(_leaving, _after(500))), state=OPEN),
    holds("robust.disconnect", "500 now and then, after leaving too", WELL, *_failing(6, 60), *_rounds(
        "leaving", *[_then(_leaving, _after(500), lambda tag: [chat(f"c{tag}")])] * 2), state=OPEN),
    holds("robust.disconnect", "503 at first, each time", WELL, *_rounds(
        "leaving", *[_then(_leaving, _after(503))] * 2), state=OPEN),
    *(breaks("http.complete", f"a head that clients refuse, in the stream behind {what} each time", WELL, *_rounds(
        "act", *[_then(act, _fine, _headless)] * 2)) for what, act in (
            ("a client that leaves", _leaving), ("hostile JSON", _body("nul", 400)), ("a large body", _large_body))),
    breaks("completion.id-unique", "an id for each second, shared with those who left too", *_got(
        _leaving, lambda name, gone: put(chat(name), "/id", completion(gone, "")["id"])),
        put(chat("x", at=100.0), "/id", "chatcmpl-100"), put(chat("y", at=102.0), "/id", "chatcmpl-100")),
    breaks("robust.disconnect", "500 at first, each time", WELL, *_rounds(
        "leaving", *[_then(_leaving, _after(500))] * 2)),
    breaks("robust.disconnect", "reset at first, each time that a client leaves before the answer", WELL, *_rounds(
        "leaving", *[_then(_leaving_early, _after_none(Ending.RESET))] * 2)),
    breaks("robust.disconnect", "500 now and then, and always after leaving", WELL, *_failing(6, 60), *_rounds(
        "leaving", *[_then(_leaving, _after(500), _after(500, "c"))] * 3)),
    *(breaks("robust.disconnect", f"residue: {what}", WELL, *_got(gone, make)) for what, gone, make in (
        ("its word in JSON", _leaving, lambda name, gone: chat(name, f"7 {word(gone)}")),
        ("its word after it left early", _leaving_early, lambda name, gone: chat(name, f"1 {word(gone)}")),
        ("its word in a stream", _leaving, lambda name, gone: chat_stream(name, [f"7 {word(gone)}", word(name)])),
        ("its word in pieces", _leaving, lambda name, gone: chat_stream(name, [word(gone)[:4], word(gone)[4:]])),
        ("its request_id", _leaving, lambda name, gone: put(chat(name), "/kitemesh/request_id", f"req-{gone}")),
        ("its id", _leaving, lambda name, gone: put(chat(name), "/id", completion(gone, "")["id"])),
        ("its chunks", _leaving, lambda name, gone: with_events(chat_stream(name), [
            *events_of(chat_stream(gone, ["7 ", "8 "]))[1:3], *events_of(chat_stream(name))])),
        ("all of it", _leaving_early, lambda name, gone: replace(
            chat_stream(name), response=chat_stream(gone, [word(gone)]).response)),
        ("its count", _leaving, lambda name, gone: chat(name, "".join(f"{number}\n" for number in range(4, 61)))),
        ("its request_id in an error", _leaving, lambda name, gone: put(
            refused(name, HOSTILE["nan"], 400), "/error/request_id", f"req-{gone}")),
    )),
    holds("robust.json-edges", "what follows fails at first, once", WELL, *_rounds(
        "edge", _then(_body("nan", 400), _after(500)), _then(_body("nan", 400), _fine))),
    holds("robust.json-edges", "500 at first, once", WELL, *_rounds("edge", _then(
        _body("nan", 500), lambda tag: [_body("nan", 400, "~2")(tag)]), _then(_body("nan", 400), _fine))),
    holds("robust.json-edges", "503 follows, each time", WELL, *_rounds(
        "edge", *[_then(_body("nan", 400), _after(503))] * 2)),
    breaks("robust.json-edges", "what follows fails at first, each time", WELL, *_rounds(
        "edge", *[_then(_body("nan", 400), _after(500))] * 2)),
    breaks("robust.json-edges", "what follows meets a closed port at first, each time", WELL, *_rounds(
        "edge", *[_then(_body("nul", 400), _after_none(Ending.REFUSED))] * 2)),
    breaks("robust.json-edges", "500 at first, each time", WELL, *_rounds("edge", *[_then(
        _body("nan", 500), lambda tag: [_body("nan", 400, "~2")(tag)], _fine)] * 2)),
    holds("robust.large-body", "500 three times, of a target that fails one request in five", WELL, *_failing(12, 60),
          *(replace(one, started=80.0 + one.started) for one in _tries(*[_large(refused("a", b"", 500))] * 3)),
          replace(AFTER, started=120.0), state=OPEN),
    breaks("robust.large-body", "500 nine times, of a target that fails one request in five", WELL, *_failing(12, 60),
           *(replace(one, name=f"{one.name}#{number}", started=80.0 + 10 * number + one.started,
                     note=replace(one.note, round=number))
             for number in (1, 2, 3) for one in _tries(*[_large(refused("a", b"", 500))] * 3)),
           replace(AFTER, started=150.0)),
    holds("robust.large-body", "what follows is reset at first, once", WELL, *_rounds(
        "large", _then(_large_body, _after_none(Ending.RESET)), _then(_large_body, _fine))),
    breaks("robust.large-body", "what follows is reset at first, each time", WELL, *_rounds(
        "large", *[_then(_large_body, _after_none(Ending.RESET))] * 2)),
    breaks("error.no-server-error", "a resume that loses a race meets 500 at first, each time", WELL, *_rounds(
        "race", *[_lost(_lost_500)] * 2, area="resume")),
    holds("error.no-server-error", "a resume that loses a race meets 500 at first, once", WELL, *_rounds(
        "race", _lost(_lost_500), _raced(lambda name, body: [_too_late(name, body)]), area="resume")),
    breaks("resume.race", "a resume that loses a race is reset at first, each time", WELL, *_rounds(
        "race", *[_lost(_lost_none)] * 2, area="resume")),
    holds("resume.race", "resumes are reset at first, whether they race or not", WELL, *_rounds(
        "race", *[_lost(_lost_none)] * 2, area="resume"), *_rounds("alone", _alone, area="resume"), state=OPEN),
    breaks("resume.refusal-keeps", "reset at first after a refused one, each time", WELL, *_rounds(
        "keeps", *[_decided(Ending.RESET)] * 2, area="resume")),
    holds("resume.refusal-keeps", "reset at first after a refused one, of a target that so loses one in five", WELL,
          *_rounds("keeps", *[_decided(Ending.RESET)] * 2, area="resume"), *_refused_late(8, 40)),
    breaks("resume.refusal-keeps", "reset at first after a refused one, of a target that so lost one in fifty", WELL,
           *_rounds("keeps", *[_decided(Ending.RESET)] * 2, area="resume"), *_refused_late(1, 50)),
    holds("resume.refusal-keeps", "reset at first after a refused one, once", WELL, *_rounds(
        "keeps", _decided(Ending.RESET), _decided(None), area="resume")),
    holds("robust.recovers", "500, and served when it had time to recover", WELL,
          refused("a", sent("a"), 500, phase="recover", flow="end"), chat("late", phase="recover", flow="end")),
    breaks("robust.recovers", "500", WELL, refused("a", sent("a"), 500, phase="recover")),
    breaks("robust.recovers", "refused connections", WELL, unanswered("a", Ending.REFUSED, phase="recover")),
    breaks("error.no-server-error", "500 in the end as from the beginning", paused("p"), *_all_500("m"), paused("q"),
           refused("a", sent("a"), 500, phase="recover")),
    breaks("error.no-server-error", "500 to a large body as to all others", paused("p"), *_all_500("m"),
           *_tries(*[_large(refused("a", b"", 500))] * 3), paused("q")),
    holds("robust.recovers", "200", chat("a", phase="recover")),
    holds("robust.recovers", "429", WELL, limited("a", phase="recover"), state=OPEN),
)  # fmt: skip
