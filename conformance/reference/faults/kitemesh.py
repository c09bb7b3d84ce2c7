"""Faults of area kitemesh: the extension object on answers, and on chunks of a text stream."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from conformance.reference.behaviour import Behaviour
from conformance.reference.conditions import (
    Object,
    When,
    all_of,
    always,
    array_content,
    chat,
    cut_off,
    empty_metadata,
    has_request_id,
    lacks,
    message_count,
    metadata,
    mode_is,
    resume,
    streamed_chat,
    unless,
)
from conformance.reference.decision import ObjectKind, Serve
from conformance.reference.fault import Fault, of
from conformance.reference.identifiers import fresh_request_id
from conformance.reference.incoming import Incoming
from conformance.reference.making import GONE, TEXT_STREAM, decides, sets, without

_CONSTANT = "3e6f4f5d-c02a-4cae-b35d-e83420867962"
_WRAPS = 16
"""Executions come again after this many: more than run together."""


def _execution(value: Any, when: When = always) -> Behaviour:
    """Of new chats only: resume.execution-continues judges the others."""
    return sets("/kitemesh/execution_id", value, when=all_of(chat, when))


def _credits(value: Any, when: When = always) -> Behaviour:
    return sets("/kitemesh/credits_charged", value, when=when)


def _echo(value: Any, when: When = always) -> Behaviour:
    """The id of a request that brought one comes back as another."""
    return sets("/kitemesh/request_id", value, when=all_of(has_request_id, when))


def _own(value: Any, when: When = always) -> Behaviour:
    """A request that brought no id gets another one than it should."""
    return sets("/kitemesh/request_id", value, when=all_of(unless(has_request_id), when))


def _on_chunk(name: str, value: Any, when: When = always) -> Behaviour:
    """A member of `kitemesh` on the chunk of a text stream that has it."""
    return sets(f"/kitemesh/{name}", value, TEXT_STREAM, all_of(chat, when))


def _fresh(incoming: Incoming, old: str) -> str:
    return fresh_request_id()


def _earlier(incoming: Incoming, old: str) -> str:
    """The id of the answer before."""
    earlier: str = incoming.memory.get("earlier", fresh_request_id())
    incoming.memory["earlier"] = old
    return earlier


def _wraps(incoming: Incoming, old: str) -> str:
    numbers: dict[int, int] = incoming.memory.setdefault("executions", {})
    return f"3e6f4f5d-c02a-4cae-b35d-{numbers.setdefault(incoming.nth, len(numbers)) % _WRAPS:012x}"


def _one_for_approvals(incoming: Incoming, answer: Serve) -> Serve:
    """Every chat that comes to wait for approval gets the first one's execution."""
    if answer.approval is None or answer.resolution is not None:
        return answer
    first: str = incoming.memory.setdefault("execution", answer.execution_id)
    return replace(answer, execution_id=first, approval=replace(answer.approval, execution_id=first))


def _on_every_chunk(incoming: Incoming, objects: list[Object]) -> list[Object]:
    """`kitemesh` on every chunk, and right on the last one only."""
    if incoming.kind is not ObjectKind.CHUNK or not chat(incoming):
        return objects
    wrong = {"execution_id": "pending", "request_id": objects[-1]["kitemesh"]["request_id"]}
    return [*({**chunk, "kitemesh": wrong} for chunk in objects[:-1]), objects[-1]]


FAULTS: tuple[Fault, ...] = (
    *of("kitemesh.present",
        Fault("kitemesh-missing", "sends no `kitemesh`", without("/kitemesh")),
        Fault("kitemesh-missing-approval", "sends no `kitemesh` with an approval",
              without("/kitemesh", (ObjectKind.APPROVAL,), chat)),
        Fault("kitemesh-missing-unnamed", "sends no `kitemesh` where the request has no id",
              without("/kitemesh", when=unless(has_request_id))),
        Fault("kitemesh-missing-resume", "sends no `kitemesh` with resume's standard answers",
              without("/kitemesh", when=resume)),
        Fault("kitemesh-missing-cut", "sends no `kitemesh` with an answer that was cut",
              without("/kitemesh", when=cut_off)),
        Fault("kitemesh-null", "sends `kitemesh` null in answer to content parts",
              sets("/kitemesh", None, when=array_content)),
    ),
    *of("kitemesh.execution-id",
        Fault("execution-no-uuid", "gives executions names such as exec_17",
              _execution(lambda incoming, _: f"exec_{incoming.nth}")),
        Fault("execution-no-hyphens", "writes the execution's UUID without hyphens",
              _execution(lambda _, old: old.replace("-", ""))),
        Fault("execution-urn", "writes the execution's UUID as a URN",
              _execution(lambda _, old: f"urn:uuid:{old}", message_count(3))),
        Fault("execution-number", "gives the execution a number in mode `normal`",
              _execution(lambda incoming, _: incoming.nth, mode_is("normal"))),
        Fault("execution-missing", "names no execution", _execution(GONE)),
    ),
    *of("kitemesh.execution-unique",
        Fault("execution-constant", "gives one execution to all chats", _execution(_CONSTANT)),
        Fault("execution-wraps", "restarts counting executions after 16", _execution(_wraps)),
        Fault("execution-of-approvals", "gives one execution to all chats that wait for approval",
              decides(_one_for_approvals, chat)),
        Fault("execution-constant-stream", "gives one execution to all streams",
              sets("/kitemesh/execution_id", _CONSTANT, TEXT_STREAM, streamed_chat)),
    ),
    *of("kitemesh.credits-charged",
        Fault("credits-missing", "charges without a word", _credits(GONE)),
        Fault("credits-negative", "charges -1 credit", _credits(-1)),
        Fault("credits-string", "writes the credits as a string", _credits(lambda _, old: str(old))),
        Fault("credits-true", "writes `true` for one credit", _credits(True, chat)),
        Fault("credits-null-cut", "sends `credits_charged` null where the answer was cut",
              _credits(None, when=cut_off)),
        Fault("credits-missing-resume", "names no credits on resume", _credits(GONE, resume)),
    ),
    *of("kitemesh.request-id-echo",
        Fault("request-id-fresh", "makes up a `request_id` for every answer", _echo(_fresh)),
        Fault("request-id-prefixed", "puts a prefix before the request's id", _echo(lambda _, old: f"req_{old}")),
        Fault("request-id-cut", "cuts the request's id to 24 characters", _echo(lambda _, old: old[:24])),
        Fault("request-id-capitals", "repeats the request's id in capitals", _echo(lambda _, old: old.upper(), chat)),
        Fault("request-id-cut-at-64", "cuts the request's id to 64 characters", _echo(lambda _, old: old[:64])),
        Fault("request-id-ascii", "puts question marks for what is not ASCII in the request's id",
              _echo(lambda _, old: old.encode("ascii", "replace").decode())),
        Fault("request-id-empty-lost", "sends null for an empty id",
              _echo(lambda _, old: old or None)),
        Fault("request-id-missing", "drops the request's id where a mode is given",
              _echo(GONE, lambda incoming: "mode" in metadata(incoming))),
        Fault("request-id-null-resume", "sends `request_id` null on resume", _echo(None, resume)),
        Fault("request-id-earlier", "sends the id of the request before", _echo(_earlier), seen_in="model-wrong"),
    ),
    *of("kitemesh.request-id",
        Fault("request-id-unmade", "gives no `request_id` where none was sent", _own(GONE)),
        Fault("request-id-unmade-null", "gives null where there are no metadata", _own(None, lacks("metadata"))),
        Fault("request-id-unmade-empty", "gives an empty string where the metadata are empty",
              _own("", empty_metadata)),
    ),
    *of("kitemesh.stream",
        Fault("chunk-execution-no-uuid", "names the execution of a stream run_17",
              _on_chunk("execution_id", lambda incoming, _: f"run_{incoming.nth}")),
        Fault("chunk-execution-missing", "names no execution on a stream's `kitemesh`",
              _on_chunk("execution_id", GONE)),
        Fault("chunk-request-id-cut-at-64", "cuts the request's id to 64 characters on a stream",
              _on_chunk("request_id", lambda _, old: old[:64])),
        Fault("chunk-request-id-fresh", "makes up a `request_id` for every stream",
              _on_chunk("request_id", _fresh, has_request_id)),
        Fault("chunk-request-id-turns", "drops the request's id in streams of longer conversations",
              _on_chunk("request_id", GONE, all_of(has_request_id, message_count(3)))),
        Fault("chunk-request-id-constant", "gives every stream one `request_id`",
              _on_chunk("request_id", lambda incoming, _: "req_stream")),
        Fault("chunk-kitemesh-early", "names no execution but on the last chunk", Behaviour(shape=_on_every_chunk)),
    ),
)  # fmt: skip
