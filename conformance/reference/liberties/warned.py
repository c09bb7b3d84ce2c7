"""What is legitimate but for one warning: servers that break a SHOULD which real servers break with good reason.

Each is a fault by the letter, of a SHOULD, and of nothing else; above all it must not be taken for a breach of a MUST.
"""

from __future__ import annotations

from conformance.reference.behaviour import Behaviour, Context, Headers, Kind
from conformance.reference.decision import Refuse
from conformance.reference.fault import Fault
from conformance.reference.intake import Refusal
from conformance.reference.liberties.making import (
    Object,
    When,
    at_path,
    chunk,
    every,
    on_bytes,
    on_objects,
    on_stream,
    prompt_of,
    refusing,
    together,
)
from conformance.reference.transmission import Out

_PAGE = b"<!DOCTYPE html><html><head><title>%s</title></head><body><h1>%s</h1><p>Ray ID: 8a</p></body></html>"


def _page(when: When, status: int, title: str) -> Behaviour:
    """A proxy's or firewall's own page."""

    def is_page(context: Context) -> bool:
        return isinstance(context.decision, Refuse) and context.decision.code == "page"

    def head(context: Context, old: int, headers: Headers) -> tuple[int, Headers]:
        if not is_page(context):
            return old, headers
        kept = [(name, value) for name, value in headers if name != "Content-Type"]
        return old, [*kept, ("Content-Type", "text/html; charset=UTF-8")]

    shown = _PAGE % (title.encode(), title.encode())
    return together(
        refusing(when, Refusal(status, "page", "page"), title),
        on_bytes(lambda context, pieces: [Out(shown)] if is_page(context) else pieces, Kind.ERROR),
        Behaviour(head=head),
    )


def _empty(when: When, status: int) -> Behaviour:
    """No body at all."""

    def emptied(context: Context) -> bool:
        return isinstance(context.decision, Refuse) and context.decision.code == "page"

    return together(
        refusing(when, Refusal(status, "page", "page"), ""),
        on_bytes(lambda context, pieces: [Out(b"")] if emptied(context) else pieces, Kind.ERROR),
    )


def _fragments(*, with_id_in_each: bool) -> Behaviour:
    """The calls in fragments that are joined by `index`, then a chunk that closes and tells of the approval."""

    def change(_: Context, chunks: list[Object]) -> list[Object]:
        opening, closing = chunks
        calls = closing["choices"][0]["delta"]["tool_calls"]
        made = [opening]
        for call in calls:
            arguments = call["function"]["arguments"]
            parts = [arguments[:5], arguments[5:9], arguments[9:]]
            name = call["function"]["name"]
            head = {"index": call["index"], "id": call["id"], "type": "function"}
            made.append(chunk(opening, {"tool_calls": [{**head, "function": {"name": name, "arguments": ""}}]}))
            for part in parts:
                bare = head if with_id_in_each else {"index": call["index"]}
                made.append(chunk(opening, {"tool_calls": [{**bare, "function": {"arguments": part}}]}))
        last = chunk(closing, {}, closing["choices"][0]["finish_reason"])
        return [*made, {**last, "kitemesh": closing["kitemesh"]}]

    return on_stream(change, Kind.APPROVAL_CHUNK)


def _by_turns(_: Context, chunks: list[Object]) -> list[Object]:
    """Fragments of two calls by turns."""
    opening, closing = chunks
    calls = closing["choices"][0]["delta"]["tool_calls"]
    heads = [{**call, "function": {"name": call["function"]["name"], "arguments": ""}} for call in calls]
    made = [opening, chunk(opening, {"tool_calls": heads})]
    longest = max(len(call["function"]["arguments"]) for call in calls)
    for at in range(0, longest, 16):
        made.append(
            chunk(
                opening,
                {
                    "tool_calls": [
                        {"index": call["index"], "function": {"arguments": call["function"]["arguments"][at : at + 16]}}
                        for call in calls
                    ]
                },
            )
        )
    last = chunk(closing, {}, closing["choices"][0]["finish_reason"])
    return [*made, {**last, "kitemesh": closing["kitemesh"]}]


def _call_by_call(_: Context, chunks: list[Object]) -> list[Object]:
    """A chunk for each whole call, then a chunk that closes and tells of the approval."""
    opening, closing = chunks
    calls = closing["choices"][0]["delta"]["tool_calls"]
    last = chunk(closing, {}, closing["choices"][0]["finish_reason"])
    return [
        opening,
        *(chunk(opening, {"tool_calls": [call]}) for call in calls),
        {**last, "kitemesh": closing["kitemesh"]},
    ]


def _content(text: str) -> Behaviour:
    return on_objects(
        lambda _, value: at_path(value, ("choices", 0, "message", "content"), lambda _: text), Kind.APPROVAL
    )


def _rich_total(_: Context, value: Object) -> Object:
    return at_path(value, ("usage",), lambda usage: {**usage, "total_tokens": usage["total_tokens"] + 57})


def _holds(text: str) -> When:
    return lambda incoming: text in prompt_of(incoming)


WARNED: tuple[Fault, ...] = (
    Fault(
        "firewall-page-403-one-prompt",
        "A firewall answers one prompt by a page (403).",
        "error.schema-elsewhere",
        "error-html",
        _page(_holds("\x1b"), 403, "Access denied"),
    ),
    Fault(
        "firewall-page-406-one-prompt",
        "A firewall answers one prompt by a page (406).",
        "error.schema-elsewhere",
        "error-html",
        _page(_holds("\u202e"), 406, "Not acceptable"),
    ),
    Fault(
        "rate-limit-without-retry-after",
        "429 once for every fifth request, without `Retry-After`.",
        "error.rate-limit",
        "made up",
        refusing(every(5, 1), Refusal(429, "rate_limit_error", "rate_limit_exceeded"), "Slow down."),
    ),
    Fault(
        "rate-limit-own-words",
        "429 once for every fifth request, in words of its own.",
        "error.rate-limit",
        "made up",
        refusing(every(5, 1), Refusal(429, "requests", "too_many"), "Slow down.", ("Retry-After", "1")),
    ),
    Fault(
        "approval-fragments",
        "An approval's calls in fragments, joined by `index`.",
        "approval.stream-single",
        "made up",
        _fragments(with_id_in_each=False),
    ),
    Fault(
        "approval-fragments-with-ids",
        "Fragments that repeat id and type.",
        "approval.stream-single",
        "made up",
        _fragments(with_id_in_each=True),
    ),
    Fault(
        "approval-fragments-by-turns",
        "Fragments of two calls in the same chunks.",
        "approval.stream-single",
        "made up",
        on_stream(_by_turns, Kind.APPROVAL_CHUNK),
    ),
    Fault(
        "approval-call-by-call",
        "A chunk for each call, then one that closes.",
        "approval.stream-single",
        "made up",
        on_stream(_call_by_call, Kind.APPROVAL_CHUNK),
    ),
    Fault(
        "approval-content-empty",
        'A paused answer with `content: ""`.',
        "approval.content-null",
        "made up",
        _content(""),
    ),
    Fault(
        "approval-content-text",
        "A paused answer that says what it is about to do.",
        "approval.content-null",
        "made up",
        _content("I will create a ticket."),
    ),
    Fault(
        "usage-total-above-sum",
        "`total_tokens` counts reasoning beside the two others.",
        "completion.usage-sum",
        "usage-inconsistent",
        on_objects(_rich_total, Kind.COMPLETION),
    ),
)
