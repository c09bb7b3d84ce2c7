"""Rows on what the official client makes of streams and answers."""

from __future__ import annotations

from dataclasses import replace

from checks.case import OPEN, Breaks, Holds, breaks, holds
from checks.exchanges import (
    PAGE,
    RESUME,
    WELL,
    WELL_STREAM,
    again,
    answer,
    chat,
    decision,
    exchange,
    limited,
    paused,
    paused_stream,
    put,
    refused,
    resumed,
    sent,
    unanswered,
    with_header,
    with_response,
)
from checks.rows.text_stream import (
    DATA,
    A,
    ahead,
    edited,
)

from conformance.transcript.exchange import Ending, Exchange, Piece

BOOKKEEPING = "_fields_set"
"""The name of an argument of the client's own."""


def _of_client(made: Exchange, flow: str, twin: str | None = None) -> Exchange:
    """The exchange as one that bore the client's own header fields."""
    twin = twin or ("well-stream" if flow == "stream" else "well")
    return replace(made, note=replace(made.note, area="sdk", flow=f"sdk-{flow}", twin=twin))


R = {"endpoint": RESUME}


PAUSED = (paused("p"), _of_client(paused("a"), "approval", twin="p"))

ROWS: tuple[Breaks | Holds, ...] = (
    breaks("sdk.openai-completion", "a member that the client takes for its own", put(
        chat("a"), f"/{BOOKKEEPING}", ["id"])),
    holds("sdk.openai-completion", "unknown members", put(chat("a"), "/x", {"y": [1]})),
    holds("sdk.openai-completion", "an answer that was cut", put(chat("a"), "/choices/0/finish_reason", "length")),
    holds("sdk.openai-stream", "retry in a block of its own, over which the client falls", ahead(b"retry: 3000\n\n")),
    holds("sdk.openai-stream", "a BOM at the very start, likewise", edited(lambda data: b"\xef\xbb\xbf" + data)),
    breaks("sdk.openai-stream", "a member that the client takes for its own", put(
        A, f"/choices/0/delta/{BOOKKEEPING}", ["content"], 1)),
    holds("sdk.openai-stream", "comments", ahead(b": ping\n\n")),
    holds("sdk.openai-stream", "CRLF", edited(lambda data: data.replace(b"\n", b"\r\n"))),
    holds("sdk.openai-stream", "pieces that cut events", with_response(
        A, pieces=tuple(Piece(0.1 + n / 1e4, len(DATA[n : n + 7])) for n in range(0, len(DATA), 7)))),
    holds("sdk.openai-stream", "an approval is not a text stream", paused_stream("a"), state=OPEN),
    breaks("sdk.openai-approval", "a member that the client takes for its own", put(
        paused("a"), f"/choices/0/message/{BOOKKEEPING}", ["role"])),
    holds("sdk.openai-approval", "two calls, and text beside them", put(
        paused("a", 2), "/choices/0/message/audio", None)),
    holds("sdk.openai-approval", "a standard answer is not an approval", chat("a"), state=OPEN),
    # served with the client's own header fields
    breaks("sdk.openai-completion", "400 to the client's header fields", WELL, _of_client(
        refused("a", sent("a"), 400), "completion")),
    breaks("sdk.openai-completion", "403 to the client's name", WELL, *(again(_of_client(
        refused("a", sent("a"), 403), "completion"), attempt) for attempt in (1, 2, 3))),
    breaks("sdk.openai-completion", "silence", WELL, _of_client(
        unanswered("a", Ending.TIMED_OUT_FIRST_BYTE), "completion")),
    breaks("sdk.openai-stream", "406 to an Accept that names JSON alone", WELL_STREAM, _of_client(
        refused("a", sent("a", stream=True), 406), "stream")),
    breaks("sdk.openai-stream", "JSON to an Accept that names JSON alone", WELL_STREAM, _of_client(
        exchange("a", sent("a", stream=True), chat("a").response), "stream")),
    breaks("sdk.openai-approval", "400 to the client's header fields", paused("p"), _of_client(
        refused("a", sent("a"), 400), "approval", twin="p")),
    holds("sdk.openai-completion", "an answer as to others", WELL, _of_client(chat("a"), "completion")),
    holds("sdk.openai-completion", "429", _of_client(limited("a"), "completion"), state=OPEN),
    holds("sdk.openai-stream", "a firewall's page", WELL_STREAM, _of_client(
        exchange("a", sent("a", stream=True), answer(PAGE, 200, "text/html")), "stream")),
    *(breaks("http.encoding", f"{coding} named over plain octets, to the client too", WELL, with_header(
        _of_client(chat("a"), "completion"), "Content-Encoding", coding)) for coding in ("br", "utf-8", "gzip")),
    *(breaks("sdk.openai-completion", f"403 to another client: {kind}", WELL, _of_client(chat("a"), "completion"),
             _of_client(refused("b", sent("b"), 403), f"completion-{kind}")) for kind in ("async", "node")),
    breaks("sdk.openai-approval", "a denial is refused with the client's header fields", *PAUSED, _of_client(
        refused("r", decision("r", "a"), 400, **R), "approval"), resumed("r2", "a")),
    breaks("resume.deny", "with the client's header fields and without", *PAUSED, _of_client(
        refused("r", decision("r", "a"), 400, **R), "approval"), refused("r2", decision("r2", "a"), 400, **R)),
    holds("sdk.openai-approval", "a denial is refused by a limit", *PAUSED, _of_client(
        limited("r", decision("r", "a"), **R), "approval"), resumed("r2", "a")),
    breaks("accept.minimal", "400 whatever the header fields", refused("w", sent("w", request_id=False), 400),
           _of_client(refused("a", sent("a"), 400), "completion", twin="w"), paused("p")),
)  # fmt: skip
