"""Faults of area kitemesh: the extension object on answers, and on chunks of a text stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.reference.behaviour import Behaviour, Context, Kind
from conformance.reference.decision import Serve
from conformance.reference.fault import Fault
from conformance.reference.faults.making import (
    GONE,
    TEXT_STREAM,
    Object,
    When,
    always,
    array_content,
    both,
    chat,
    cut_off,
    decides,
    has,
    has_request_id,
    lacks,
    message_count,
    metadata,
    mode_is,
    resume,
    sets,
    streamed_chat,
    unless,
    without,
)
from conformance.reference.identifiers import fresh_request_id
from conformance.reference.incoming import Incoming

_COMPLETION = (Kind.COMPLETION,)
_CONSTANT = "3e6f4f5d-c02a-4cae-b35d-e83420867962"
_WRAPS = 16
"""Executions come again after so many: more than run together."""


def _execution(value: Any, when: When = always) -> Behaviour:
    """Of new chats only: resume.execution-continues speaks of the others."""
    return sets("/kitemesh/execution_id", value, when=both(chat, when))


def _credits(value: Any, when: When = always, said: Callable[[Serve], bool] = lambda answer: True) -> Behaviour:
    return sets("/kitemesh/credits_charged", value, when=when, said=said)


def _echo(value: Any, when: When = always) -> Behaviour:
    """The id of a request that brought one comes back as another."""
    return sets("/kitemesh/request_id", value, when=both(has_request_id, when))


def _own(value: Any, when: When = always) -> Behaviour:
    """A request that brought no id gets another one than it should."""
    return sets("/kitemesh/request_id", value, when=both(unless(has_request_id), when))


def _on_chunk(name: str, value: Any, when: When = always) -> Behaviour:
    """A member of `kitemesh` on the chunk of a text stream that bears it."""
    return sets(f"/kitemesh/{name}", value, TEXT_STREAM, both(chat, when))


def _fresh(context: Context, old: str) -> str:
    return fresh_request_id()


def _earlier(context: Context, old: str) -> str:
    """The id of the answer before."""
    earlier: str = context.memory.get("earlier", fresh_request_id())
    context.memory["earlier"] = old
    return earlier


def _wraps(context: Context, old: str) -> str:
    numbers: dict[int, int] = context.memory.setdefault("executions", {})
    return f"3e6f4f5d-c02a-4cae-b35d-{numbers.setdefault(context.nth, len(numbers)) % _WRAPS:012x}"


def _one_for_approvals(incoming: Incoming, answer: Serve) -> Serve:
    """Every chat that comes to wait for approval gets the first one's execution."""
    if answer.approval is None or answer.resolution is not None:
        return answer
    first: str = incoming.memory.setdefault("execution", answer.execution_id)
    return replace(answer, execution_id=first, approval=replace(answer.approval, execution_id=first))


def _no_metadata(incoming: Incoming) -> bool:
    return lacks("metadata")(incoming)


def _empty_metadata(incoming: Incoming) -> bool:
    return has("metadata")(incoming) and not metadata(incoming)


def _on_every_chunk(context: Context, objects: list[Object]) -> list[Object]:
    """`kitemesh` on every chunk, and right on the last one only."""
    if context.kind is not Kind.CHUNK or not chat(context.incoming):
        return objects
    wrong = {"execution_id": "pending", "request_id": objects[-1]["kitemesh"]["request_id"]}
    return [*({**chunk, "kitemesh": wrong} for chunk in objects[:-1]), objects[-1]]


FAULTS: tuple[Fault, ...] = (
    # present
    Fault("kitemesh-missing", "sends no `kitemesh`", "kitemesh.present", "made up", without("/kitemesh")),
    Fault("kitemesh-missing-approval", "sends no `kitemesh` with an approval", "kitemesh.present", "made up",
          without("/kitemesh", (Kind.APPROVAL,), chat)),
    Fault("kitemesh-missing-unnamed", "sends no `kitemesh` where the request has no id", "kitemesh.present",
          "made up", without("/kitemesh", when=unless(has_request_id))),
    Fault("kitemesh-missing-resume", "sends no `kitemesh` with resume's standard answers", "kitemesh.present",
          "made up", without("/kitemesh", when=resume)),
    Fault("kitemesh-missing-cut", "sends no `kitemesh` with an answer that was cut", "kitemesh.present", "made up",
          without("/kitemesh", said=cut_off)),
    Fault("kitemesh-null", "sends `kitemesh` null in answer to content parts", "kitemesh.present", "made up",
          sets("/kitemesh", None, when=array_content)),
    # execution-id
    Fault("execution-no-uuid", "gives executions names such as exec_17", "kitemesh.execution-id", "made up",
          _execution(lambda context, _: f"exec_{context.nth}")),
    Fault("execution-no-hyphens", "writes the execution's UUID without hyphens", "kitemesh.execution-id", "made up",
          _execution(lambda _, old: old.replace("-", ""))),
    Fault("execution-urn", "writes the execution's UUID as a URN", "kitemesh.execution-id", "made up",
          _execution(lambda _, old: f"urn:uuid:{old}", message_count(3))),
    Fault("execution-number", "gives the execution a number in mode `normal`", "kitemesh.execution-id", "made up",
          _execution(lambda context, _: context.nth, mode_is("normal"))),
    Fault("execution-missing", "names no execution", "kitemesh.execution-id", "made up", _execution(GONE)),
    # execution-unique
    Fault("execution-constant", "gives one execution to all chats", "kitemesh.execution-unique", "made up",
          _execution(_CONSTANT)),
    Fault("execution-wraps", "restarts counting executions after 16", "kitemesh.execution-unique", "made up",
          _execution(_wraps)),
    Fault("execution-of-approvals", "gives one execution to all chats that wait for approval",
          "kitemesh.execution-unique", "made up", decides(_one_for_approvals, chat)),
    Fault("execution-constant-stream", "gives one execution to all streams", "kitemesh.execution-unique", "made up",
          sets("/kitemesh/execution_id", _CONSTANT, TEXT_STREAM, streamed_chat)),
    # credits-charged
    Fault("credits-missing", "charges without a word", "kitemesh.credits-charged", "made up", _credits(GONE)),
    Fault("credits-negative", "charges -1 credit", "kitemesh.credits-charged", "made up", _credits(-1)),
    Fault("credits-string", "writes the credits as a string", "kitemesh.credits-charged", "made up",
          _credits(lambda _, old: str(old))),
    Fault("credits-true", "writes `true` for one credit", "kitemesh.credits-charged", "made up", _credits(True, chat)),
    Fault("credits-null-cut", "sends `credits_charged` null where the answer was cut", "kitemesh.credits-charged",
          "made up", _credits(None, said=cut_off)),
    Fault("credits-missing-resume", "names no credits on resume", "kitemesh.credits-charged", "made up",
          _credits(GONE, resume)),
    # request-id-echo
    Fault("request-id-fresh", "makes up a `request_id` for every answer", "kitemesh.request-id-echo", "made up",
          _echo(_fresh)),
    Fault("request-id-prefixed", "puts a prefix before the request's id", "kitemesh.request-id-echo", "made up",
          _echo(lambda _, old: f"req_{old}")),
    Fault("request-id-cut", "cuts the request's id to 24 characters", "kitemesh.request-id-echo", "made up",
          _echo(lambda _, old: old[:24])),
    Fault("request-id-capitals", "repeats the request's id in capitals", "kitemesh.request-id-echo", "made up",
          _echo(lambda _, old: old.upper(), chat)),
    Fault("request-id-missing", "drops the request's id where a mode is given", "kitemesh.request-id-echo", "made up",
          _echo(GONE, lambda incoming: "mode" in metadata(incoming))),
    Fault("request-id-null-resume", "sends `request_id` null on resume", "kitemesh.request-id-echo", "made up",
          _echo(None, resume)),
    Fault("request-id-earlier", "sends the id of the request before", "kitemesh.request-id-echo", "model-wrong",
          _echo(_earlier)),
    # request-id
    Fault("request-id-unmade", "gives no `request_id` where none was sent", "kitemesh.request-id", "made up",
          _own(GONE)),
    Fault("request-id-unmade-null", "gives null where there are no metadata", "kitemesh.request-id", "made up",
          _own(None, _no_metadata)),
    Fault("request-id-unmade-empty", "gives an empty string where the metadata are empty", "kitemesh.request-id",
          "made up", _own("", _empty_metadata)),
    # stream
    Fault("chunk-execution-no-uuid", "names the execution of a stream run_17", "kitemesh.stream", "made up",
          _on_chunk("execution_id", lambda context, _: f"run_{context.nth}")),
    Fault("chunk-execution-missing", "names no execution on a stream's `kitemesh`", "kitemesh.stream", "made up",
          _on_chunk("execution_id", GONE)),
    Fault("chunk-request-id-fresh", "makes up a `request_id` for every stream", "kitemesh.stream", "made up",
          _on_chunk("request_id", _fresh, has_request_id)),
    Fault("chunk-request-id-turns", "drops the request's id in streams of longer conversations", "kitemesh.stream",
          "made up", _on_chunk("request_id", GONE, both(has_request_id, message_count(3)))),
    Fault("chunk-request-id-constant", "gives every stream one `request_id`", "kitemesh.stream", "made up",
          _on_chunk("request_id", lambda context, _: "req_stream")),
    Fault("chunk-kitemesh-early", "names no execution but on the last chunk", "kitemesh.stream", "made up",
          Behaviour(shape=_on_every_chunk)),
)  # fmt: skip
