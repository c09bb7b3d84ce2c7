"""Makes fixtures/transcripts/: a dozen and a half conforming exchanges, and copies with one fault each.

`conforming.har` is cut out of a recording of the embedded reference server (`kitemesh-conformance run`, any seed):

    PYTHONPATH=.:tests python -m checks.transcripts reports/transcript.har

The faulty ones are made from it by the changes in FAULTS, so that a test can hold the files against them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from checks.exchanges import (
    MISSING,
    URL,
    answer,
    body_of,
    events_of,
    octets,
    placed,
    put,
    with_body,
    with_events,
    with_header,
    with_response,
    with_status,
    without,
)

from conformance.contract.schemas import fixture_dir
from conformance.transcript import har_reader, har_writer
from conformance.transcript.exchange import Ending, Exchange, Transcript

DIRECTORY = fixture_dir() / "transcripts"
CONFORMING = DIRECTORY / "conforming.har"
KEPT = (
    "accept-minimal", "accept-metadata-request-id", "accept-stream", "auth-missing-header", "reject-messages-empty",
    "stream-refusal-messages-empty", "resume-unknown", "approval-json", "resume-decide", "resume-decide-further-1",
    "resume-decide-replay", "approval-stream", "resume-decide-stream", "resume-decide-stream-further-1",
    "isolation-json-1", "isolation-json-2",
)  # fmt: skip
OPTIONS = ("suite", "seed", "model", "modes", "depth")

Change = Callable[[Exchange], Exchange]


def reduced(recording: Transcript) -> Transcript:
    """The exchanges that are kept, without what says where they were recorded."""
    by_name = {exchange.name: exchange for exchange in recording}
    base = str(recording.options["url"])
    kept = [_placed(by_name[name], base) for name in KEPT]
    kept.sort(key=lambda exchange: exchange.started)
    return Transcript(tuple(kept), {name: recording.options[name] for name in OPTIONS}, recording.creator)


def _placed(exchange: Exchange, base: str) -> Exchange:
    request = exchange.request
    host = URL.split("/")[2]
    headers = tuple((name, host if name.lower() == "host" else value) for name, value in request.headers)
    moved = replace(request, url=URL + request.url.removeprefix(base), headers=headers)
    return replace(exchange, request=moved, server_ip="")


# --- changes


def _streams(exchange: Exchange) -> bool:
    return exchange.status == 200 and b'"stream":true' in (exchange.request.body or b"")


def _text(exchange: Exchange) -> bool:
    """True for a standard answer, in either form."""
    return exchange.status == 200 and b"tool_calls" not in body_of(exchange)


def _of(names: Iterable[str], change: Change) -> Change:
    wanted = frozenset(names)
    return lambda exchange: change(exchange) if exchange.name in wanted else exchange


def _where(condition: Callable[[Exchange], bool], change: Change) -> Change:
    return lambda exchange: change(exchange) if condition(exchange) else exchange


def _each_event(change: Callable[[int, Any], Any]) -> Change:
    def changed(exchange: Exchange) -> Exchange:
        events = [e if e == "[DONE]" else change(n, e) for n, e in enumerate(events_of(exchange))]
        return with_events(exchange, events)

    return changed


def _json(exchange: Exchange) -> bool:
    return exchange.status == 200 and not _streams(exchange)


def _refusal(exchange: Exchange) -> bool:
    return exchange.status in (400, 401, 404, 409, 422)


def _as_detail(exchange: Exchange) -> Exchange:
    message = json.loads(body_of(exchange))["error"]["message"]
    return with_body(exchange, octets({"detail": message}))


def _cut(exchange: Exchange) -> Exchange:
    shortened = with_response(exchange, body=body_of(exchange)[:300], pieces=None)
    return replace(shortened, ending=Ending.CUT)


def _served_again(exchange: Exchange) -> Exchange:
    """An answer of a new execution, whatever was asked."""
    value = {
        "id": "chatcmpl_again", "object": "chat.completion", "created": int(exchange.started),
        "model": json.loads(exchange.request.body or b"{}")["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Done."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        "kitemesh": {
            "execution_id": "0e7c1b1e-58a4-4d0c-8a7e-3c1d8f1f5a01", "credits_charged": 1,
            "request_id": json.loads(exchange.request.body or b"{}")["metadata"]["request_id"],
        },
    }  # fmt: skip
    return replace(exchange, response=answer(value))


FAULTS: dict[str, Change] = {
    "done-missing": _where(_streams, lambda e: with_body(e, body_of(e).removesuffix(b"data: [DONE]\n\n"))),
    "done-unterminated": _where(_streams, lambda e: with_body(e, body_of(e).removesuffix(b"\n"))),
    "created-ms": _where(_json, lambda e: put(e, "/created", json.loads(body_of(e))["created"] * 1000)),
    "id-varies": _where(_streams, _each_event(lambda n, event: {**event, "id": f"{event['id']}-{n}"})),
    "finish-stop-tools": _of(["approval-json"], lambda e: put(e, "/choices/0/finish_reason", "stop")),
    "args-object": _of(["approval-json"], lambda e: put(
        e, "/choices/0/message/tool_calls/0/function/arguments", {"priority": "high"})),
    "usage-missing": _where(lambda e: _json(e) and _text(e), lambda e: without(e, "/usage")),
    "error-detail": _where(_refusal, _as_detail),
    "error-html": _where(_refusal, lambda e: with_header(with_body(e, b"<h1>No</h1>"), "Content-Type", "text/html")),
    "sse-mistyped": _where(_streams, lambda e: with_header(e, "Content-Type", "application/json")),
    "stream-truncated": _of(["accept-stream"], _cut),
    "stream-latin1": _of(["accept-stream"], lambda e: with_body(e,
    body_of(e).replace(b'"content":"g', b'"content":"\xe9'))),
    "delta-missing": _where(lambda e: _streams(e) and _text(e), _each_event(
        lambda n, event: placed(event, "/choices/0/delta",
        MISSING) if event["choices"][0]["finish_reason"] else event)),
    "messages-empty-ok": _of(["reject-messages-empty"], _served_again),
    "bearer-missing-ok": _of(["auth-missing-header"], _served_again),
    "auth-403": _of(["auth-missing-header"], lambda e: with_status(e, 403)),
    "approval-double": _of(["resume-decide-replay"], _served_again),
    "crosstalk": _of(["isolation-json-2"], lambda e: put(e, "/kitemesh/request_id", "conformance-isolation-json-1")),
}  # fmt: skip
"""The name of a file, which is a row of the collection of faults where there is one, to the change that makes it."""


def faulty(conforming: Transcript, name: str) -> Transcript:
    """The conforming transcript with one fault."""
    change = FAULTS[name]
    if name == "crosstalk":
        other = next(exchange for exchange in conforming if exchange.name == "isolation-json-1")
        told = json.loads(body_of(other))["kitemesh"]["request_id"]
        change = _of(["isolation-json-2"], lambda e: put(e, "/kitemesh/request_id", told))
    return replace(conforming, exchanges=tuple(change(exchange) for exchange in conforming))


def write(recording: Path, folder: Path = DIRECTORY) -> None:
    """Write all files, from the HAR of a conforming recording."""
    conforming = reduced(har_reader.load(recording))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFORMING.name).write_text(har_writer.dumps(conforming), encoding="utf-8", newline="\n")
    for name in FAULTS:
        text = har_writer.dumps(faulty(conforming, name))
        (folder / f"{name}.har").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
