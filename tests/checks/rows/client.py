"""Rows on the client: requests that a client may send, or should not, and how a command ends on a face.

Each is judged from the client's side; the answers are there to be reacted to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from checks.case import Breaks, Holds, breaks, holds
from checks.exchanges import (
    MISSING,
    NOW,
    RESUME,
    answer,
    chat,
    chat_stream,
    chunk,
    completion,
    decision,
    denied,
    error_object,
    exchange,
    identifier,
    limited,
    paused,
    paused_stream,
    refused,
    resumed,
    sent,
    streamed,
    unanswered,
    with_header,
)

from conformance.judging.verdict import State
from conformance.transcript.exchange import Credential, Ending, Exchange, Held, Response

OPEN = State.NOT_EXERCISED
JSON = "application/json"


def bad(requirement: str, what: str, *exchanges: Exchange, also: str = "", **options: Any) -> Breaks:
    return breaks(requirement, what, *exchanges, also=also, side="client", **options)


def good(requirement: str, what: str, *exchanges: Exchange, state: State = State.PASSED, **options: Any) -> Holds:
    return holds(requirement, what, *exchanges, state=state, side="client", **options)


def foreign(requirement: str, what: str, *exchanges: Exchange, state: State = State.PASSED, **options: Any) -> Holds:
    """A recording of another program, which says neither whose token it was nor how a body ended."""
    return good(requirement, what, *map(_foreign, exchanges), state=state, suite="", **options)


def _foreign(made: Exchange) -> Exchange:
    return replace(made, request=replace(made.request, credential=Credential.UNSTATED), ending=Ending.UNSTATED)


def asking(made: Exchange, *, drop: str = "", add: tuple[tuple[str, str], ...] = (), **changes: Any) -> Exchange:
    """With other header fields of the request, or other members of it."""
    headers = tuple((k, v) for k, v in made.request.headers if k.lower() != drop.lower())
    return replace(made, request=replace(made.request, headers=(*headers, *add), **changes))


def valid(name: str, body: Any, **more: Any) -> Exchange:
    return exchange(name, body, answer(completion(name, "kite")), **more)


def held(made: Exchange, **where: Any) -> Exchange:
    return asking(made, held=Held(**where))


def again(made: Exchange, name: str, at: float, **more: Any) -> Exchange:
    """The same request once more."""
    return replace(made, name=name, started=at, note=replace(made.note, probe=name, flow=made.note.flow), **more)


def alone(made: Exchange) -> Exchange:
    """Of no face: recordings of other programs know none."""
    return replace(made, note=replace(made.note, flow=""))


def tries(status: int, *at: float, then: bool = False, header: tuple[tuple[str, str], ...] = ()) -> list[Exchange]:
    """Tries of one request at these seconds, all answered by one status in 0.1 s; `then`: the last one is served."""
    body = sent("r")
    made = []
    for number, second in enumerate(at):
        name = f"t{number}"
        reply = answer(error_object(name), status, JSON, *header)
        if then and number == len(at) - 1:
            reply = answer(completion("r", "kite"))
        made.append(alone(exchange(name, body, reply, at=second, took=0.1)))
    return made


def moved(to: str, status: int = 307) -> Response:
    return Response(status, (("Location", to), ("Content-Length", "0")), b"", headers_at=0.1, pieces=())


def elsewhere(name: str, url: str, **more: Any) -> Exchange:
    made = alone(valid(name, sent("r"), **more))
    return asking(made, url=url)


HERE = "https://api.example.com/v1/chat/completions"
REDIRECT = alone(exchange("a", sent("r"), moved("https://other.example.com/v1/chat/completions")))
BODY = b'{"model": 1}'
RETRY = (("Retry-After", "2"),)


# --- faces


def course(face: str, kind: str, status: int | None = 0, **more: Any) -> dict[str, Any]:
    return {"face": face, "kind": kind, "status": status, "limit": 20.0, "output": "a", "said": "", **more}


PLAIN = course("plain", "plain")
PLAIN_CHAT = chat("plain", flow="plain")
SAID = (chat("plain", "kite", flow="plain"), chat("v", "kite", flow="v"))
PLAIN_STREAM = chat_stream("plain", flow="plain")


def on(made: Exchange, face: str) -> Exchange:
    return replace(made, note=replace(made.note, flow=face))


def cut_stream(name: str, face: str, ending: Ending = Ending.CUT) -> Exchange:
    made = exchange(name, sent(name, stream=True), streamed([chunk(name, {"role": "assistant", "content": "ki"})]))
    return on(replace(made, ending=ending), face)


def failed_stream(name: str, face: str, **more: Any) -> Exchange:
    events = [chunk(name, {"role": "assistant", "content": "ki"}), error_object(name, "server_error"), "[DONE]"]
    return on(exchange(name, sent(name, stream=True), streamed(events), **more), face)


def deciding(name: str, of: str, **fields: Any) -> Exchange:
    """A resume with other members."""
    return valid(name, decision(name, of, **fields), endpoint=RESUME)


def spelled(name: str, of: str) -> Exchange:
    """A resume whose ids are the same ones, spelled as some libraries do."""
    call = identifier(of, "call", "0")
    body = decision(name, of, approval_id=identifier(of, "approval").upper(), denied_tools=MISSING)
    return valid(name, {**body, "approved_tool_execution_ids": [call.upper()]}, endpoint=RESUME)


CALLS = [identifier("w", "call", str(number)) for number in range(2)]
DENIED = [{"tool_execution_id": CALLS[0]}]

ROWS: tuple[Breaks | Holds, ...] = (
    # --- bodies
    bad("client.request-valid", "a temperature out of range", valid("a", sent("a", temperature=3))),
    bad("client.request-valid", "no model", valid("a", {"messages": sent("a")["messages"]})),
    bad("client.request-valid", "a group that is not named by a UUID", valid("a", {**sent("a"), "model": "gpt-4o"})),
    bad("client.request-valid", "no message of a user", refused("a", sent("a", messages=[{"role": "system",
         "content": "x"}]))),
    bad("client.request-valid", "a message of a role that nobody knows",
        valid("a", sent("a", messages=[{"role": "user", "content": "x"}, {"role": "developer", "content": "x"}]))),
    bad("client.request-valid", "not JSON", refused("a", b"model=x")),
    bad("client.request-valid", "a JSON text in a JSON string", refused("a", b'"{}"')),
    bad("client.request-valid", "a body that breaks the schema, and another request's token",
        valid("a", sent("a", max_tokens=0), credential=Credential.NONE), also="client.token"),
    bad("client.request-valid", "a resume without its approval", paused("w"),
        valid("a", {**decision("a", "w"), "approval_id": "a ticket"}, endpoint=RESUME)),
    good("client.request-valid", "a valid body", chat("a")),
    good("client.request-valid", "what is left open: unknown fields, null, another order, another group",
         valid("a", sent("a", tools=[], seed=1)), valid("b", sent("b", max_tokens=None)),
         valid("c", sent("c", messages=[{"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}])),
         valid("d", {**sent("d"), "model": "group:00000000-0000-4000-8000-000000000000"}),
         valid("e", sent("e", max_tokens=16.0)), valid("f", sent("f", messages=[{"role": "user", "content": []}]))),
    good("client.request-valid", "a name twice, which readers of JSON differ on",
         valid("a", b'{"model":"x",' + b'"model":"group:123e4567-e89b-42d3-a456-426614174000",'
               b'"messages":[{"role":"user","content":"x"}]}')),
    good("client.request-valid", "a browser's OPTIONS before the request",
         exchange("o", b"", Response(204, (), b""), method="OPTIONS", credential=Credential.NONE), chat("a")),
    good("client.request-valid", "a body in a content coding", asking(valid("a", BODY), add=(("Content-Encoding",
         "gzip"),)),
         state=OPEN),
    foreign("client.request-valid", "a body that the recording left out", valid("a", None), state=OPEN),
    good("client.request-valid", "a path that nobody documented", chat("a"), asking(valid("m", b""),
         url=f"{HERE}s/models")),
    good("client.request-valid", "what a faulty server gave comes back",
         on(valid("a", {**decision("a", "w"), "approval_id": "17"}, endpoint=RESUME), "f"), chat("b"),
         faces=[course("f", "fault")]),
    # --- how they are sent
    bad("client.media-type", "a form", asking(chat("a"), drop="content-type", add=(("Content-Type", "text/plain"),))),
    bad("client.media-type", "no Content-Type", asking(chat("a"), drop="content-type")),
    bad("client.media-type", "a relative of JSON",
        asking(chat("a"), drop="content-type", add=(("Content-Type", "application/vnd.api+json"),))),
    good("client.media-type", "a charset, in odd case",
         asking(chat("a"), drop="content-type", add=(("content-type", "Application/JSON; charset=UTF-8"),))),
    foreign("client.media-type", "a recording that lost the field", asking(chat("a"), drop="content-type"), state=OPEN),
    bad("client.token", "no Authorization", denied("a")),
    bad("client.token", "a scheme with nothing after it", denied("a", Credential.EMPTY)),
    bad("client.token", "another scheme", denied("a", Credential.OTHER_SCHEME)),
    bad("client.token", "a token of somebody else", denied("a", Credential.NEVER_ISSUED)),
    bad("client.token", "another scheme, in a foreign recording",
        replace(asking(chat("a"), drop="authorization", add=(("Authorization", "Basic ****"),),
             credential=Credential.UNSTATED)),
        suite=""),
    good("client.token", "the scheme in lower case", chat("a", authorization="bearer ****")),
    foreign("client.token", "a bearer in a foreign recording", chat("a")),
    foreign("client.token", "a recording that a browser took the token from", asking(chat("a"), drop="authorization"),
            state=OPEN),
    good("client.token", "none for another origin, where it was redirected to", chat("c"), REDIRECT, asking(
        elsewhere("b", "https://other.example.com/v1/chat/completions", credential=Credential.NONE),
        drop="authorization")),
    good("client.token", "a browser's OPTIONS bears none",
         exchange("o", b"", Response(204, (), b""), method="OPTIONS", credential=Credential.NONE), chat("a")),
    bad("client.token-nowhere-else", "in the URL", held(chat("a"), url=True)),
    bad("client.token-nowhere-else", "in a field of its own", held(chat("a"), headers=("X-Api-Key",))),
    bad("client.token-nowhere-else", "in the body", held(chat("a"), body=((3, 9),))),
    bad("client.token-nowhere-else", "along to another origin", held(REDIRECT),
        elsewhere("b", "https://other.example.com/v1/chat/completions")),
    bad("client.token-nowhere-else", "along to another port of the same host",
        alone(exchange("a", sent("r"), moved("https://api.example.com:8443/v1/chat/completions"))),
        elsewhere("b", "https://api.example.com:8443/v1/chat/completions")),
    good("client.token-nowhere-else", "in Authorization alone", held(chat("a"))),
    good("client.token-nowhere-else", "along a redirect within the origin",
         held(alone(exchange("a", sent("r"), moved("/v2/chat/completions")))),
         held(elsewhere("b", "https://api.example.com/v2/chat/completions"))),
    good("client.token-nowhere-else", "elsewhere without the token", held(REDIRECT),
         held(asking(elsewhere("b", "https://other.example.com/v1/models", credential=Credential.NONE),
         drop="authorization"))),
    good("client.token-nowhere-else", "two services, each with its token, and no redirect", held(chat("a")),
         held(elsewhere("b", "https://other.example.com/v1/chat/completions"))),
    good("client.token-nowhere-else", "a token that is not known", chat("a"), state=OPEN),
    # --- approvals
    bad("client.resume-matches", "an approval that no answer gave", paused("w"), deciding("a", "v")),
    bad("client.resume-matches", "a call of another approval", paused("w"), paused("v"),
        valid("a", {**decision("a", "w"), "denied_tools": [{"tool_execution_id": identifier("v", "call", "0")}]},
             endpoint=RESUME),
        also="client.resume-decides"),
    good("client.resume-matches", "a denial", paused("w"), deciding("a", "w")),
    good("client.resume-matches", "an approval after a stream", paused_stream("w"), deciding("a", "w", approve=True)),
    good("client.resume-matches", "ids in upper case", paused("w"), spelled("a", "w")),
    foreign("client.resume-matches", "an approval from before the recording", chat("c"), deciding("a", "w"),
         state=OPEN),
    good("client.resume-matches", "on a face that breaks something", on(deciding("a", "w"), "f"), chat("b"), state=OPEN,
         faces=[course("f", "fault")]),
    bad("client.resume-decides", "one of two calls", paused("w", 2), deciding("a", "w")),
    bad("client.resume-decides", "no call", paused("w"), deciding("a", "w", denied_tools=MISSING)),
    bad("client.resume-decides", "a call both ways", paused("w"), deciding("a", "w", approve=True,
         denied_tools=DENIED)),
    bad("client.resume-decides", "a call twice", paused("w"), deciding("a", "w", denied_tools=[*DENIED, *DENIED])),
    good("client.resume-decides", "two calls, one each way", paused("w", 2),
         deciding("a", "w", approved_tool_execution_ids=CALLS[1:], denied_tools=DENIED)),
    good("client.resume-decides", "the ids in upper case", paused("w"), spelled("a", "w")),
    bad("client.resume-in-time", "an hour late", paused("w"), replace(deciding("a", "w"), started=1_800_003_600 - NOW)),
    good("client.resume-in-time", "in time", paused("w"), deciding("a", "w")),
    good("client.resume-in-time", "within a second, which clocks may differ by", paused("w"),
         replace(deciding("a", "w"), started=1_800_000_000.5 - NOW)),
    good("client.resume-in-time", "late by the client's clock, in time by the server's",
         replace(with_header(paused("w"), "Date", "Sun, 01 Mar 2026 00:00:00 GMT"), started=1_800_000_010.0 - NOW),
         replace(deciding("a", "w"), started=1_800_000_020.0 - NOW)),
    bad("client.resume-once", "again where the answer was lost", paused("w", at=0.0),
        alone(unanswered("a", body=decision("a", "w"), endpoint=RESUME, at=5.0)),
        alone(again(resumed("a", "w"), "b", 9.0))),
    bad("client.resume-once", "again after a 500", paused("w", at=0.0),
        alone(refused("a", decision("a", "w"), 500, endpoint=RESUME, at=5.0)), alone(again(resumed("a", "w"), "b",
             9.0))),
    bad("client.resume-once", "the other way round, after the client left", paused("w", at=0.0),
        replace(alone(resumed("a", "w", at=5.0)), ending=Ending.LEFT), alone(again(resumed("b", "w", approve=True),
             "b", 9.0))),
    good("client.resume-once", "once, and the answer was lost", paused("w"),
         unanswered("a", body=decision("a", "w"), endpoint=RESUME)),
    good("client.resume-once", "corrected after a refusal", paused("w", at=0.0),
         alone(refused("a", decision("a", "w"), 422, endpoint=RESUME, at=5.0)), alone(again(resumed("b", "w"), "b",
         9.0)),
         state=OPEN),
    good("client.resume-once", "again after 429, which carries nothing out", paused("w", at=0.0),
         alone(limited("a", decision("a", "w"), endpoint=RESUME, at=5.0)), alone(again(resumed("a", "w"), "b", 9.0)),
         state=OPEN),
    good("client.resume-once", "again where no connection could be made", paused("w", at=0.0),
         alone(unanswered("a", Ending.REFUSED, decision("a", "w"), endpoint=RESUME, at=5.0)),
         alone(again(resumed("a", "w"), "b", 9.0)), state=OPEN),
    # --- tries
    *(
        bad("client.no-retry-on-refusal", f"after {status}", *tries(status, 0, 1), also=also)
        for status, also in ((400, ""), (401, ""), (404, ""), (422, ""))
    ),
    good("client.no-retry-on-refusal", "refused once", *tries(422, 0)),
    good("client.no-retry-on-refusal", "another body after the refusal", alone(refused("a", sent("a"))),
         alone(chat("b"))),
    good("client.no-retry-on-refusal", "another field after the refusal", *(
        asking(made, add=(("X-Tenant", str(n)),)) for n, made in enumerate(tries(422, 0, 1)))),
    bad("client.no-retry-on-refusal", "with a counter of tries", *(
        asking(made, add=(("X-Retry-Count", str(n)),)) for n, made in enumerate(tries(422, 0, 1)))),
    good("client.no-retry-on-refusal", "a person presses the button again, later", *tries(422, 0, 90)),
    good("client.no-retry-on-refusal", "the same at the same time", *tries(422, 0, 0.05)),
    good("client.no-retry-on-refusal", "two faces get the same request",
         *(on(made, f"f{n}") for n, made in enumerate(tries(422, 0, 1)))),
    foreign("client.no-retry-on-refusal", "perhaps with a new token after 401", *tries(401, 0, 1, then=True),
         state=OPEN),
    good("client.no-retry-on-refusal", "after 503", *tries(503, 0, 1, then=True), state=OPEN),
    good("client.no-retry-on-refusal", "a resume once more after 404, which replicas may give", paused("w", at=0.0),
         alone(refused("a", decision("a", "w"), 404, endpoint=RESUME, at=5.0)), alone(again(resumed("a", "w"), "b",
         7.5)),
         state=OPEN),
    bad("client.retry-after", "half the time", *tries(429, 0, 1.1, header=RETRY)),
    bad("client.retry-after", "at once, after 503", *tries(503, 0, 0.1, header=RETRY, then=True)),
    bad("client.retry-after", "before the date", *tries(
        429, 0, 5, header=(("Retry-After", "Mon, 21 Sep 2026 14:13:40 GMT"),))),
    good("client.retry-after", "as long", *tries(429, 0, 2.1, header=RETRY, then=True)),
    good("client.retry-after", "measured a little short", *tries(429, 0, 2.05, header=RETRY, then=True)),
    good("client.retry-after", "after the date", *tries(
        429, 0, 20.5, header=(("Retry-After", "Mon, 21 Sep 2026 14:13:40 GMT"),))),
    good("client.retry-after", "never again", *tries(429, 0, header=RETRY), state=OPEN),
    good("client.retry-after", "another request meanwhile", *tries(429, 0, 3, header=RETRY), alone(chat("x", at=1.0))),
    good("client.retry-after", "a field that is neither seconds nor a date", *tries(429, 0, 0.2,
         header=(("Retry-After", "soon"),)),
         state=OPEN),
    bad("client.retry-bounded", "seven tries", *tries(503, 0, 1, 3, 7, 15, 31, 63)),
    bad("client.retry-bounded", "at once each time", *tries(503, 0, 0.11, 0.22, 0.33)),
    bad("client.retry-bounded", "after a second each time", *tries(503, 0, 1.1, 2.2, 3.3, then=True)),
    good("client.retry-bounded", "six tries with growing pauses", *tries(503, 0, 1, 3, 7, 15, 31)),
    good("client.retry-bounded", "one try", *tries(503, 0)),
    good("client.retry-bounded", "two pauses that happen to be alike", *tries(503, 0, 1.1, 2.2)),
    good("client.retry-bounded", "random pauses below a bound that grows", *tries(503, 0, 0.5, 0.8, 2.3, 5.1)),
    good("client.retry-bounded", "as often as the server says", *tries(429, 0, 2.1, 4.2, 6.3, header=RETRY, then=True)),
    good("client.retry-bounded", "many wishes of a person", *tries(503, *range(0, 1400, 200))),
    good("client.retry-bounded", "many requests, each served", *tries(200, *range(9)), state=OPEN),
    # --- faces
    bad("client.variation", "another exit status", PLAIN_CHAT, chat("v", flow="v"), faces=[PLAIN, course("v",
         "variation", 1)]),
    bad("client.variation", "no end", PLAIN_CHAT, chat("v", flow="v"), faces=[PLAIN, course("v", "variation", None)]),
    bad("client.variation", "a signal, and nothing was sent", PLAIN_CHAT, faces=[PLAIN, course("v", "variation", -11)]),
    good("client.variation", "the same", PLAIN_CHAT, chat("v", flow="v"), faces=[PLAIN, course("v", "variation")]),
    good("client.variation", "a server that refuses what is left open", PLAIN_CHAT,
         on(refused("v", sent("v", tools=[])), "v"), chat("w", flow="w"),
         faces=[PLAIN, course("v", "variation", 1), course("w", "variation")]),
    good("client.variation", "a server that has no credits left", PLAIN_CHAT, on(limited("v"), "v"), state=OPEN,
         faces=[PLAIN, course("v", "variation", 1)]),
    good("client.variation", "a server that breaks its answer off", PLAIN_CHAT,
         on(replace(chat("v"), ending=Ending.RESET), "v"), state=OPEN, faces=[PLAIN, course("v", "variation", 1)]),
    good("client.variation", "a fault may end it otherwise", PLAIN_CHAT, chat("f", flow="f"), chat("v", flow="v"),
         faces=[PLAIN, course("f", "fault", 1), course("v", "variation")]),
    good("client.variation", "a row that says nothing", PLAIN_CHAT, chat("v", flow="v"),
         faces=[PLAIN, course("v", "variation"), {"face": 7}, "x", course("w", "odd")]),
    bad("client.variation-output", "another output", *SAID, same_output=True,
        faces=[PLAIN, course("v", "variation", output="b")]),
    good("client.variation-output", "the same output", PLAIN_CHAT, chat("v", flow="v"), same_output=True,
         faces=[PLAIN, course("v", "variation")]),
    good("client.variation-output", "the model said something else", PLAIN_CHAT, chat("v", flow="v"), state=OPEN,
         same_output=True, faces=[PLAIN, course("v", "variation", output="b")]),
    good("client.variation-output", "nobody said that it has to be the same", PLAIN_CHAT, chat("v", flow="v"),
         state=OPEN,
         faces=[PLAIN, course("v", "variation", output="b")]),
    good("client.variation-output", "an output that differs each time", PLAIN_CHAT, chat("v", flow="v"), state=OPEN,
         same_output=True, faces=[PLAIN, course("plain", "plain", output="c"), course("v", "variation", output="b")]),
    *(
        bad("client.notices-truncation", what, PLAIN_STREAM, made, chat("v", flow="v"),
            faces=[PLAIN, course("f", "fault"), course("v", "variation")])
        for what, made in (
            ("the connection was closed", cut_stream("f", "f")),
            ("the body ended, the answer did not", cut_stream("f", "f", Ending.COMPLETE)),
            ("an error event", failed_stream("f", "f")),
            ("an error event, at which the client left", failed_stream("f", "f", ending=Ending.LEFT)),
        )
    ),
    *(
        good("client.notices-truncation", what, PLAIN_STREAM, cut_stream("f", "f"), chat("v", flow="v"),
             faces=[PLAIN, course("f", "fault", **ended), course("v", "variation")])
        for what, ended in (("another exit status", {"status": 1}), ("a word on standard error", {"complained": True}))
    ),
    good("client.notices-truncation", "tried again and served", PLAIN_STREAM,
         replace(cut_stream("f", "f"), started=9.0), again(on(chat_stream("f"), "f"), "g", 11.0), chat("v", flow="v"),
         faces=[PLAIN, course("f", "fault"), course("v", "variation")], state=OPEN),
    good("client.notices-truncation", "cut behind the reason, when all was said", PLAIN_STREAM,
         on(replace(exchange("f", sent("f", stream=True), streamed([chunk("f", {"content": "kite"}, "stop")])),
                    ending=Ending.CUT), "f"), chat("v", flow="v"),
         faces=[PLAIN, course("f", "fault"), course("v", "variation")], state=OPEN),
    good("client.notices-truncation", "the client had read enough", PLAIN_STREAM, cut_stream("f", "f", Ending.LEFT),
         chat("v", flow="v"), faces=[PLAIN, course("f", "fault"), course("v", "variation")], state=OPEN),
    good("client.notices-truncation", "no stream there", PLAIN_CHAT, on(unanswered("f"), "f"), chat("v", flow="v"),
         faces=[PLAIN, course("f", "fault"), course("v", "variation")], state=OPEN),
    bad("client.ends", "still running", PLAIN_CHAT, on(unanswered("h", Ending.LEFT), "h"), chat("v", flow="v"),
        faces=[PLAIN, course("h", "fault", None, hangs=True), course("v", "variation")]),
    good("client.ends", "an end with an error", PLAIN_CHAT, on(unanswered("h", Ending.LEFT), "h"), chat("v", flow="v"),
         faces=[PLAIN, course("h", "fault", 1, hangs=True), course("v", "variation")]),
    good("client.ends", "a signal that the client sends itself", PLAIN_CHAT, on(unanswered("h", Ending.LEFT), "h"),
         chat("v", flow="v"), faces=[PLAIN, course("h", "fault", -14, hangs=True), course("v", "variation")]),
    good("client.ends", "nothing was sent there", PLAIN_CHAT, chat("v", flow="v"), state=OPEN,
         faces=[PLAIN, course("h", "fault", None, hangs=True), course("v", "variation")]),
)  # fmt: skip
