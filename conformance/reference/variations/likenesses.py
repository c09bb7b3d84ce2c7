"""Servers as they are met: many variations at once, each legitimate by itself."""

from __future__ import annotations

import json
from collections.abc import Callable

from conformance.reference.behaviour import Behaviour, Leniency, Replay
from conformance.reference.decision import ObjectKind
from conformance.reference.fault import Variation
from conformance.reference.making import JSON_ANSWERS, on_json, set_to, together, with_field, with_headers
from conformance.reference.variations import excuses, left_open, models, objects, refusals, resumes, streams, transport

_ALL = {
    variation.id: variation
    for area in (transport, objects, streams, left_open, refusals, excuses, resumes, models)
    for variation in area.VARIATIONS
}
_REPEATS = Behaviour(leniency=Leniency(replay=Replay.REPEAT))


def _like(id_: str, summary: str, of: tuple[str, ...], *more: Behaviour) -> Variation:
    chosen = [_ALL[name] for name in of]
    unexercised = {key: reason for variation in chosen for key, reason in variation.unexercised.items()}
    behaviour = together(*(variation.behaviour for variation in chosen), *more)
    withholds = any(variation.withholds for variation in chosen)
    return Variation(f"like-{id_}", summary, f"All at once: {', '.join(of)}", behaviour, unexercised, withholds)


def _sorted(newline: str) -> Behaviour:
    write: Callable[[object], str] = lambda value: json.dumps(value, sort_keys=True, ensure_ascii=False) + newline  # noqa: E731
    return on_json(write, (*JSON_ANSWERS, ObjectKind.ERROR))


VARIATIONS: tuple[Variation, ...] = (
    _like("vllm", "An inference server in Python.",
          (
              "refuses-by-400",
              "error-words-pydantic",
              "stream-role-with-content-null",
              "stream-usage-chunk",
              "model-limit-of-vllm",
              "extra-members-everywhere",
              "tool-calls-empty",
              "open-tool-needs-call",
              "put-405-long-allow",
          )),
    _like("azure", "A gateway of a large cloud.",
          (
              "stream-filter-results-first",
              "excuse-filter-400",
              "header-fields-of-a-gateway",
              "charset-in-every-answer",
              "refuses-resumes-by-404",
              "extra-members-everywhere",
              "excuse-429-once",
          )),
    _like("router", "A router before many models.",
          (
              "sse-heartbeats",
              "sse-comments",
              "stream-usage-chunk-odd",
              "stream-reasoning",
              "excuse-502-once",
              "credits-fractional",
              "extra-members-everywhere",
              "closes-unannounced",
              "model-chatty",
          )),
    _like("thinker", "A reasoning model.",
          (
              "stream-reasoning-content",
              "model-thinks-within-limit",
              "model-temperature-fixed",
              "model-limit-of-one-token",
              "stream-thinks-then-bursts",
              "cut-content-null",
          )),
    _like("go", "A server in Go.",
          (
              "json-chunked",
              "error-words-go",
              "refuses-by-400",
              "stream-null-reason-left-out",
              "uuids-version-7",
              "expires-nanoseconds",
              "header-names-lower",
          ), _sorted("\n")),
    _like("rust", "A server in Rust.",
          (
              "error-words-serde",
              "refuses-by-422",
              "sse-comments",
              "open-unknown-fields-422",
              "expires-offset-zero",
              "resume-forgets-settled",
          )),
    _like("java", "A server on the JVM.",
          (
              "sse-no-space",
              "sse-event-message",
              "json-members-backwards",
              "media-type-400",
              "closes-every-connection",
              "expires-offset",
              "error-words-prose",
          )),
    _like("dotnet", "A server in C#.",
          ("json-escaped", "sse-escaped", "sse-bom", "charset-in-every-answer", "uuids-upper", "refuses-by-400")),
    _like("php", "A server in PHP behind nginx.",
          (
              "json-escaped",
              "integers-as-floats",
              "refuses-by-422",
              "error-words-french",
              "sse-one-packet",
              "http-1-0",
          )),
    _like("python-sse", "A server on an SSE library that sends CRLF and pings.",
          ("sse-crlf", "sse-ids-and-retry", "error-words-pydantic", "refuses-by-422", "stream-usage-in-each"),
          with_headers({"X-Accel-Buffering": "no"})),
    _like("replicas", "Several replicas behind a balancer.",
          ("resume-404-once", "reset-within-once", "header-names-lower", "excuse-503-once", "no-date"), _REPEATS),
    _like("busy", "A crowded server that sheds load.",
          ("excuse-429-crowded", "excuse-503-twice", "model-uneven", "model-stutters"), set_to(approval_ttl=60.0)),
    _like("strict", "A server that refuses all that is left open, and gives only what it must.",
          (
              "open-strict-in-all",
              "stream-kitemesh-nowhere",
              "approval-stream-single-bare",
              "calls-one",
              "refuses-by-409-and-412",
              "no-cache-control",
          ), with_field("x-accel-buffering", None)),
)  # fmt: skip
