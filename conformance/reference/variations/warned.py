"""What is legitimate but for one warning: servers that break a SHOULD which real servers break with good reason.

Each is a fault by the letter, of a SHOULD, and of nothing else; above all it must not be taken for a breach of a MUST.
"""

from __future__ import annotations

from conformance.reference.behaviour import Behaviour
from conformance.reference.conditions import Object, When, one_in, prompt_has, refused_as
from conformance.reference.decision import ObjectKind
from conformance.reference.fault import Fault, of
from conformance.reference.incoming import Incoming
from conformance.reference.intake import Refusal
from conformance.reference.making import (
    APPROVAL_STREAM,
    COMPLETION,
    at_path,
    like,
    on_objects,
    refuses,
    says,
    shapes,
    together,
)

_PAGE = b"<!DOCTYPE html><html><head><title>%s</title></head><body><h1>%s</h1><p>Ray ID: 8a</p></body></html>"


def _page(when: When, status: int, title: str) -> Behaviour:
    """A proxy's or firewall's own page."""
    shown = _PAGE % (title.encode(), title.encode())
    return together(
        refuses(when, Refusal(status, "page", "page"), title),
        says(shown, "text/html; charset=UTF-8", refused_as("page")),
    )


def _fragments(*, with_id_in_each: bool) -> Behaviour:
    """The calls in fragments that are joined by `index`, then a chunk that closes and tells of the approval."""

    def change(_: Incoming, chunks: list[Object]) -> list[Object]:
        opening, closing = chunks
        calls = closing["choices"][0]["delta"]["tool_calls"]
        made = [opening]
        for call in calls:
            arguments = call["function"]["arguments"]
            parts = [arguments[:5], arguments[5:9], arguments[9:]]
            name = call["function"]["name"]
            head = {"index": call["index"], "id": call["id"], "type": "function"}
            made.append(like(opening, {"tool_calls": [{**head, "function": {"name": name, "arguments": ""}}]}))
            for part in parts:
                bare = head if with_id_in_each else {"index": call["index"]}
                made.append(like(opening, {"tool_calls": [{**bare, "function": {"arguments": part}}]}))
        return [*made, _told_apart(closing)]

    return shapes(change, APPROVAL_STREAM)


def _by_turns(_: Incoming, chunks: list[Object]) -> list[Object]:
    """Fragments of two calls by turns."""
    opening, closing = chunks
    calls = closing["choices"][0]["delta"]["tool_calls"]
    heads = [{**call, "function": {"name": call["function"]["name"], "arguments": ""}} for call in calls]
    made = [opening, like(opening, {"tool_calls": heads})]
    for at in range(0, max(len(call["function"]["arguments"]) for call in calls), 16):
        parts = [(call["index"], call["function"]["arguments"][at : at + 16]) for call in calls]
        fragments = [{"index": index, "function": {"arguments": part}} for index, part in parts]
        made.append(like(opening, {"tool_calls": fragments}))
    return [*made, _told_apart(closing)]


def _told_apart(closing: Object) -> Object:
    """The chunk that closes and tells of the approval, without its calls."""
    return like(closing, {}, closing["choices"][0]["finish_reason"], kitemesh=closing["kitemesh"])


def _call_by_call(_: Incoming, chunks: list[Object]) -> list[Object]:
    """A chunk for each whole call, then a chunk that closes and tells of the approval."""
    opening, closing = chunks
    calls = closing["choices"][0]["delta"]["tool_calls"]
    return [opening, *(like(opening, {"tool_calls": [call]}) for call in calls), _told_apart(closing)]


def _content(text: str) -> Behaviour:
    return on_objects(
        lambda _, value: at_path(value, "/choices/0/message/content", lambda _: text), (ObjectKind.APPROVAL,)
    )


def _rich_total(_: Incoming, value: Object) -> Object:
    return at_path(value, "/usage", lambda usage: {**usage, "total_tokens": usage["total_tokens"] + 57})


WARNED: tuple[Fault, ...] = (
    *of("error.schema-elsewhere",
        Fault("firewall-page-403-one-prompt", "A firewall answers one prompt by a page (403).",
              _page(prompt_has("\x1b"), 403, "Access denied"), seen_in="error-html"),
        Fault("firewall-page-406-one-prompt", "A firewall answers one prompt by a page (406).",
              _page(prompt_has("\u202e"), 406, "Not acceptable"), seen_in="error-html"),
    ),
    *of("error.rate-limit",
        Fault("rate-limit-without-retry-after", "429 once for every fifth request, without `Retry-After`.",
              refuses(one_in(5, 1), Refusal(429, "rate_limit_error", "rate_limit_exceeded"), "Slow down.")),
        Fault("rate-limit-own-words", "429 once for every fifth request, in words of its own.",
              refuses(one_in(5, 1), Refusal(429, "requests", "too_many"), "Slow down.", ("Retry-After", "1"))),
    ),
    *of("approval.stream-single",
        Fault("approval-fragments", "An approval's calls in fragments, joined by `index`.",
              _fragments(with_id_in_each=False)),
        Fault("approval-fragments-with-ids", "Fragments that repeat id and type.", _fragments(with_id_in_each=True)),
        Fault("approval-fragments-by-turns", "Fragments of two calls in the same chunks.",
              shapes(_by_turns, APPROVAL_STREAM)),
        Fault("approval-call-by-call", "A chunk for each call, then one that closes.",
              shapes(_call_by_call, APPROVAL_STREAM)),
    ),
    *of("approval.content-null",
        Fault("approval-content-empty", 'A paused answer with `content: ""`.', _content("")),
        Fault("approval-content-text", "A paused answer that says what it is about to do.",
              _content("I will create a ticket.")),
    ),
    *of("completion.usage-sum",
        Fault("usage-total-above-sum", "`total_tokens` counts reasoning beside the two others.",
              on_objects(_rich_total, COMPLETION), seen_in="usage-inconsistent"),
    ),
)  # fmt: skip
