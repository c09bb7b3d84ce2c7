"""Faults of area error: what a refusal looks like, and failures of the server itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from conformance.reference.behaviour import Behaviour, Headers
from conformance.reference.conditions import (
    Object,
    When,
    all_of,
    always,
    any_message,
    any_text,
    approval_stream,
    chat,
    every,
    has_mode,
    has_request_id,
    lacks,
    member_is,
    message_count,
    messages,
    mode_is,
    plain_chat,
    resume,
    resumed_stream,
    status_is,
    streamed,
    text_stream,
    unless,
)
from conformance.reference.decision import Decision, ObjectKind, Refuse
from conformance.reference.failing import FORMS, Told
from conformance.reference.fault import Fault, of
from conformance.reference.identifiers import fresh_request_id
from conformance.reference.incoming import Incoming
from conformance.reference.intake import Refusal
from conformance.reference.making import (
    ERRORS,
    GONE,
    crashes,
    ending,
    heads,
    on_objects,
    refuses,
    refuses_as,
    says,
    shapes,
    together,
    with_field,
    with_type,
)

_RATE_LIMIT_EVERY = 20
_TRACE = (
    "Traceback (most recent call last):\n"
    '  File "/srv/kitemesh/app/routers/chat.py", line 118, in create\n'
    "    messages = parse(body)\n"
    "KeyError: 'messages'"
)
_NODE_TRACE = (
    "TypeError: Cannot read properties of undefined (reading 'length')\n"
    "    at validate (/usr/src/app/dist/routes/chat.js:42:17)\n"
    "    at Layer.handle [as handle_request] (/usr/src/app/node_modules/express/lib/router/layer.js:95:5)"
)
_JAVA_TRACE = (
    "java.lang.NullPointerException: null\n"
    "\tat com.kitemesh.gateway.ChatController.create(ChatController.java:87)\n"
    "\tat java.base/java.lang.Thread.run(Thread.java:833)"
)
_TRACES = (
    ("dotnet", ".NET on Linux", "System.NullReferenceException: Object reference not set to an instance of an object.\n"
     "   at KiteMesh.Chat.Create(ChatRequest request) in /src/KiteMesh/Chat.cs:line 42"),
    ("module", "an ES module", "TypeError: Cannot read properties of undefined\n    at file:///app/chat.mjs:10:22"),
    ("node-itself", "Node's own modules", "TypeError: terminated\n    at node:internal/deps/undici/undici:13510:13"),
    ("elixir", "Elixir", "** (FunctionClauseError) no clause\n    (kite 0.1.0) lib/kite/chat.ex:12: Kite.Chat.new/2"),
    ("cuda", "CUDA", "CUDA error: out of memory\n  current device: 0, in function alloc at ggml-cuda.cu:45"),
    ("cpp", "C++", "sampling.cpp:123: GGML_ASSERT(n_vocab > 0) failed"),
    ("go", "Go", "runtime error: index out of range [0]\nmain.create()\n\t/go/src/kite/chat.go:12 +0x1d"),
    ("rust", "Rust", "thread 'tokio-runtime-worker' panicked at src/chat.rs:10:5: called `unwrap()` on a `None` value"),
    ("ruby", "Ruby", "chat.rb:12:in 'Kite::Chat#create': undefined method 'each' for nil (NoMethodError)"),
    ("php", "PHP", "Uncaught TypeError: count(): Argument #1 is null in /var/www/chat.php on line 12"),
    ("lua", "Lua", "runtime error: access.lua:12: attempt to index a nil value"),
    ("perl", "Perl", "Can't use an undefined value as an ARRAY reference at chat.pl line 12."),
)  # fmt: skip
"""Id, platform, and what a server that does not catch its exceptions tells."""
_QUERY = "SELECT id, owner FROM approvals WHERE id = $1 AND tenant_id = $2: no rows in result set"


def _status(status: int, when: When = always) -> Callable[[Incoming], bool]:
    return lambda incoming: (
        isinstance(incoming.decision, Refuse) and incoming.decision.status == status and when(incoming)
    )


def _reshaped(change: Callable[[Object], Any], status: int, when: When = always) -> Behaviour:
    """The error object of refusals with a status gets another form; `change` gets what stands below `error`."""
    chosen = _status(status, when)

    def shape(incoming: Incoming, document: Object) -> Object:
        changed: Object = change(document["error"]) if chosen(incoming) else document
        return changed

    return on_objects(shape, ERRORS)


def _member(name: str, value: Any, status: int, when: When = always) -> Behaviour:
    """One member of the error object has another value; `GONE`: it is absent."""
    return _reshaped(
        lambda error: {"error": {k: v for k, v in {**error, name: value}.items() if v is not GONE}}, status, when
    )


def _message(told: str, status: int, when: When = always) -> Behaviour:
    return refuses_as(lambda _, refusal: replace(refusal, message=told), when, status)


def _own_id(change: Callable[[Incoming, str], str], when: When = always) -> Behaviour:
    """A 422 to a request with an id of its own has another one."""
    return refuses_as(
        lambda incoming, refusal: replace(refusal, request_id=change(incoming, refusal.request_id)),
        all_of(has_request_id, when),
        422,
    )


def _fresh(incoming: Incoming, seen: str) -> str:
    return fresh_request_id()


def _earlier(incoming: Incoming, seen: str) -> str:
    """The id of the refusal before."""
    earlier: str = incoming.memory.get("refused", fresh_request_id())
    incoming.memory["refused"] = seen
    return earlier


def _served_error(status: int, when: When) -> Behaviour:
    """A 422 keeps its error object and comes with a status that says that all is well."""

    def change(incoming: Incoming, seen: int, headers: Headers) -> tuple[int, Headers]:
        return (status, headers) if seen == 422 else (seen, headers)

    return heads(change, ERRORS, all_of(plain_chat, when))


def _opening(told: Told, when: Callable[[Incoming], bool]) -> Behaviour:
    """A stream holds nothing but an event that tells of an error."""
    return shapes(lambda _, objects: [told(objects[-1])], when=when)


def _sixth(incoming: Incoming) -> bool:
    """Every sixth stream."""
    if incoming.stream:
        incoming.memory["streams"] = incoming.memory.get("streams", 0) + 1
    return incoming.stream and incoming.memory["streams"] % 6 == 0


def _choices_null(when: When) -> Behaviour:
    """A 422 comes as a 200 whose object has both an error and `choices`, which are null."""
    return together(
        _reshaped(lambda error: {"error": error, "choices": None, "object": "chat.completion"}, 422, when),
        _served_error(200, when),
    )


def _mistyped(media_type: str | None, status: int, when: When = always) -> Behaviour:
    return with_type(media_type, ERRORS, when, status)


def _role_unknown(incoming: Incoming) -> bool:
    known = ("system", "user", "assistant", "tool")
    return plain_chat(incoming) and any(message.get("role") not in known for message in messages(incoming))


def _breaks_at(pointer: str) -> When:
    """The request schema is broken at this place."""
    return lambda incoming: not incoming.reading.fault and any(e.pointer == pointer for e in incoming.errors)


def _empty_bearer(incoming: Incoming) -> bool:
    return chat(incoming) and (incoming.header("authorization") or "").strip() == "Bearer"


def _malformed(incoming: Incoming) -> bool:
    """No JSON at all, and nothing that robust.json-edges speaks of."""
    return chat(incoming) and incoming.reading.fault.startswith("The body is not JSON:")


def _unknown_approval_crashes(incoming: Incoming, decision: Decision) -> Decision:
    if isinstance(decision, Refuse) and decision.status == 404 and resume(incoming):
        return replace(decision, status=500, type="server_error", code="server_error")
    return decision


def _limited(behaviour: Behaviour) -> Behaviour:
    """A server with a rate limit, whose refusals are not what they should be."""
    return together(Behaviour(adjust=lambda settings: replace(settings, rate_limit_every=_RATE_LIMIT_EVERY)), behaviour)


def _fails_once(status: int, body: bytes, media_type: str) -> Behaviour:
    """One request in twenty-five is answered by an error, which passes when it is asked again."""
    told = Refusal(status, "server_error", "server_error")
    return together(refuses(all_of(_well_formed, every(25)), told, "Later."), says(body, media_type, status_is(status)))


def _well_formed(incoming: Incoming) -> bool:
    return chat(incoming) and not incoming.reading.fault and not incoming.errors


def _detail(error: Object) -> Object:
    return {"detail": error["message"]}


def _bare_string(error: Object) -> Object:
    return {"error": error["message"]}


def _flat(error: Object) -> Object:
    return error


FAULTS: tuple[Fault, ...] = (
    *of("error.schema",
        Fault("error-detail", "puts what is wrong with a body into `detail`",
              _reshaped(lambda e: {"detail": [{"loc": ["body"], "msg": e["message"], "type": "value_error"}]}, 422),
              seen_in="error-detail"),
        Fault("error-detail-401", "puts the reason of a 401 into `detail`", _reshaped(_detail, 401),
              seen_in="error-detail"),
        Fault("error-string", "sends `error` as a string with a 401", _reshaped(_bare_string, 401),
              seen_in="error-string"),
        Fault("error-flat", "sends the members of the error at the top of a 422", _reshaped(_flat, 422)),
        Fault("error-code-integer", "sends the status as `code` of a 422", _member("code", 422, 422),
              seen_in="code-integer"),
        Fault("error-code-null-400", "sends `code` null with malformed JSON", _member("code", None, 400, _malformed)),
        Fault("error-code-integer-404", "sends an integer `code` for an approval that it does not know",
              _member("code", 404, 404, resume), seen_in="code-integer"),
        Fault("error-no-request-id", "sends no `request_id` with a 422", _member("request_id", GONE, 422),
              seen_in="error-no-request-id"),
        Fault("error-no-request-id-401", "sends no `request_id` with a 401", _member("request_id", GONE, 401),
              seen_in="error-no-request-id"),
        Fault("error-no-request-id-unsent", "sends `request_id` null with a 400 whose request had none",
              _member("request_id", None, 400, all_of(_malformed, unless(has_request_id))),
              seen_in="error-no-request-id"),
        Fault("error-no-type-409", "sends no `type` where an approval has been used up", _member("type", GONE, 409)),
        Fault("error-message-list", "sends a list of messages with a 422",
              _reshaped(lambda e: {"error": {**e, "message": [e["message"]]}}, 422)),
        Fault("error-string-stream", "sends `error` as a string where a stream was asked for",
              _reshaped(_bare_string, 422, streamed), seen_in="error-string"),
        Fault("error-no-message-mode", "sends no `message` where the mode is wrong",
              _member("message", GONE, 422, _breaks_at("/metadata/mode"))),
    ),
    *of("error.media-type",
        Fault("error-text", "calls a 422 text/plain", _mistyped("text/plain", 422)),
        *(Fault(f"error-{status}-page-resume", f"answers {status} by a page on resume",
                says(b"<!DOCTYPE html><html><body><h1>Error</h1></body></html>", "text/html",
                     all_of(resume, status_is(status))),
                seen_in="error-html")
          for status in (404, 409)),
        Fault("error-html-400", "calls a 400 text/html", _mistyped("text/html", 400)),
        Fault("error-untyped-401", "sends a 401 without a media type", _mistyped(None, 401)),
        Fault("error-problem-404", "calls a 404 application/problem+json", _mistyped("application/problem+json", 404)),
        Fault("error-text-409", "calls a 409 text/plain", _mistyped("text/plain", 409)),
    ),
    *of("error.schema-elsewhere",
        Fault("error-405-text", "answers 405 in plain words",
              says(b"Method Not Allowed", "text/plain", status_is(405))),
        Fault("error-405-html", "answers 405 by a page",
              says(b"<html><body><h1>405 Not Allowed</h1></body></html>", "text/html", status_is(405)),
              seen_in="error-html"),
        Fault("error-405-detail", "puts the reason of a 405 into `detail`", _reshaped(_detail, 405),
              seen_in="error-detail"),
        Fault("error-415-empty", "answers 415 without a body", says(b"", None, status_is(415)),
              seen_in="error-empty-body"),
        Fault("error-415-code-integer", "sends an integer `code` with a 415", _member("code", 415, 415),
              seen_in="code-integer"),
        Fault("error-500-text-once",
              "answers one request in twenty-five by 500 in plain text, and serves it when asked again",
              _fails_once(500, b"Internal Server Error", "text/plain")),
        Fault("error-503-text-once",
              "answers one request in twenty-five by 503 in plain text, and serves it when asked again",
              _fails_once(503, b"no healthy upstream", "text/plain")),
        Fault("error-502-page-once",
              "answers one request in twenty-five by a proxy's page, and serves it when asked again",
              _fails_once(502, b"<html><body><center>nginx</center></body></html>", "text/html"), seen_in="error-html"),
    ),
    *of("error.status",
        Fault("error-200", "sends the error object of a wrong mode with 200",
              _served_error(200, _breaks_at("/metadata/mode"))),
        Fault("error-200-choices-null", "answers 200 with an error and `choices` null where `messages` are empty",
              _choices_null(_breaks_at("/messages")), seen_in="choices-null-200"),
        Fault("error-202", "sends the error object of a wrong temperature with 202",
              _served_error(202, _breaks_at("/temperature"))),
        Fault("error-200-mode", "answers 200 and an error object to the mode `synth`",
              on_objects(
                  lambda incoming, _: {
                      "error": {
                          "message": "The mode synth is not at hand.",
                          "type": "server_error",
                          "code": "mode_not_at_hand",
                          "request_id": incoming.request_id,
                      }
                  },
                  (ObjectKind.COMPLETION,),
                  all_of(plain_chat, mode_is("synth")),
              )),
        *(Fault(f"error-first-{name}", f"opens every text stream with an error ({name})", _opening(form, text_stream),
                seen_in="diegosouzapw/OmniRoute#8210" if name == "empty-choices" else "made up")
          for name, form in FORMS.items()),
        Fault("error-first-unfinished", "answers every text stream by an error alone, without `[DONE]`",
              together(_opening(FORMS["bare"], text_stream), ending())),
        Fault("error-first-every-sixth", "opens every sixth stream with an error beside empty `choices`",
              _opening(FORMS["empty-choices"], _sixth), seen_in="diegosouzapw/OmniRoute#3422"),
        Fault("error-first-resumed", "opens the stream of a resume with an error",
              _opening(FORMS["empty-choices"], resumed_stream)),
        Fault("error-first-waiting", "opens the stream of an approval with an error",
              _opening(FORMS["empty-choices"], approval_stream)),
    ),
    *of("error.no-server-error",
        Fault("bad-json-500", "answers 500 to malformed JSON", crashes(_malformed), seen_in="bad-json-500"),
        Fault("messages-empty-500", "answers 500 to empty `messages`",
              crashes(all_of(chat, member_is("messages", lambda found: found == []))), seen_in="messages-empty-500"),
        Fault("messages-missing-500", "answers 500 where `messages` are missing",
              crashes(all_of(plain_chat, lambda incoming: bool(incoming.document), lacks("messages")))),
        Fault("range-500", "answers 500 to a temperature out of range",
              crashes(all_of(plain_chat, _breaks_at("/temperature"))), seen_in="range-unchecked"),
        Fault("role-unknown-500", "answers 500 to an unknown role", crashes(_role_unknown),
              seen_in="role-unknown-crash"),
        Fault("bearer-empty-500", "answers 500 to `Bearer` with nothing after it", crashes(_empty_bearer)),
        Fault("messages-501-500", "answers 500 to more than 500 messages", crashes(all_of(chat, message_count(501))),
              seen_in="range-unchecked"),
        Fault("metadata-list-500", "answers 500 to metadata that are a list",
              crashes(all_of(chat, member_is("metadata", lambda value: isinstance(value, list))))),
        Fault("put-500", "answers 500 to PUT", crashes(lambda incoming: chat(incoming) and incoming.method == "PUT")),
        Fault("emoji-500", "answers 500 to characters beyond the basic plane",
              crashes(all_of(plain_chat, any_text(r"[\U00010000-\U0010ffff]")))),
        Fault("null-content-500", "answers 500 to null content",
              crashes(all_of(plain_chat, any_message(lambda message: message.get("content", "") is None)))),
        Fault("approval-unknown-500", "answers 500 to an approval that it never gave",
              Behaviour(decide=_unknown_approval_crashes)),
    ),
    *of("error.request-id-echo",
        Fault("error-id-fresh", "makes up an id for each 422", _own_id(_fresh)),
        Fault("error-id-cut", "cuts the request's id to 20 characters in a 422", _own_id(lambda _, seen: seen[:20])),
        Fault("error-id-cut-at-64", "cuts the request's id to 64 characters in a 422",
              _own_id(lambda _, seen: seen[:64])),
        Fault("error-id-ascii", "leaves out of the request's id what is not ASCII in a 422",
              _own_id(lambda _, seen: seen.encode("ascii", "ignore").decode())),
        Fault("error-id-earlier", "sends the id of the refusal before", _own_id(_earlier), seen_in="model-wrong"),
        Fault("error-id-stream", "makes up an id where a stream was asked for", _own_id(_fresh, streamed)),
        Fault("error-id-mode", "makes up an id where the metadata are wrong", _own_id(_fresh, has_mode)),
    ),
    *of("error.no-internals",
        Fault("error-trace", "sends a Python stack trace with malformed JSON", _message(_TRACE, 400),
              seen_in="error-trace"),
        Fault("error-trace-role", "sends a Node stack trace with an unknown role",
              _message(_NODE_TRACE, 422, _role_unknown), seen_in="role-unknown-crash"),
        Fault("error-trace-member", "sends a Java stack trace in a member of its own",
              _member("stack", _JAVA_TRACE, 422), seen_in="error-trace"),
        Fault("error-path", "tells a source file and line with a 401",
              _message("Unauthorized (/srv/kitemesh/app/auth.py:57)", 401), seen_in="error-trace"),
        Fault("error-query", "tells its query where an approval is not known", _message(_QUERY, 404, resume)),
        Fault("error-trace-header", "sends a stack trace in a header field",
              with_field("X-Debug", json.dumps(_TRACE), ERRORS, status=422), seen_in="error-trace"),
        *(Fault(f"error-trace-{id_}", f"sends a stack trace of {platform} with malformed JSON", _message(told, 400),
                seen_in="error-trace" if id_ != "cuda" else "made up")
          for id_, platform, told in _TRACES),
    ),
    *of("error.rate-limit",
        Fault("rate-limit-codes", "calls a 429 requests / too_many_requests",
              _limited(
                  refuses_as(
                      lambda _, refusal: replace(refusal, type="requests", code="too_many_requests"), status=429
                  )
              )),
        Fault("rate-limit-code", "has another code in a 429",
              _limited(refuses_as(lambda _, refusal: replace(refusal, code="rate_limited"), status=429))),
        Fault("rate-limit-unpaced", "does not say with a 429 when to come again",
              _limited(with_field("Retry-After", None, ERRORS, status=429))),
    ),
)  # fmt: skip
