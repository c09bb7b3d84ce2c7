"""Faults of area auth, on chat completions; what resume does with tokens is told by resume.auth."""

from __future__ import annotations

from dataclasses import replace

from conformance.reference.behaviour import Behaviour, Context, Kind
from conformance.reference.decision import Decision
from conformance.reference.fault import Fault
from conformance.reference.faults.making import (
    ALL_KINDS,
    ERRORS,
    When,
    always,
    answers_status,
    both,
    chat,
    heads,
    lacks,
    on_bytes,
    plain_chat,
    reads,
    refuses,
    refuses_as,
    resume,
    sets,
    streamed,
    streamed_chat,
    together,
    unless,
    with_field,
    with_status,
    with_type,
)
from conformance.reference.incoming import Incoming
from conformance.reference.intake import BREACH, UNAUTHENTICATED, Refusal, refuse
from conformance.reference.settings import FIRST_TOKEN, SECOND_TOKEN


def _authorization(incoming: Incoming) -> str:
    return (incoming.header("authorization") or "").strip()


def _scheme(incoming: Incoming) -> str:
    return _authorization(incoming).partition(" ")[0]


MALFORMED = Refusal(400, "invalid_request_error", "malformed_header")


def _absent(incoming: Incoming) -> bool:
    return incoming.header("authorization") is None


def _empty(incoming: Incoming) -> bool:
    return _authorization(incoming).lower() == "bearer"


def _unknown(incoming: Incoming) -> bool:
    return incoming.token is not None and incoming.token not in (FIRST_TOKEN, SECOND_TOKEN)


def _begins_alike(incoming: Incoming) -> bool:
    """The token has the beginning of one that was issued."""
    return (incoming.token or "").startswith((FIRST_TOKEN[:-4], SECOND_TOKEN[:-4]))


def _other_scheme(incoming: Incoming) -> bool:
    return not _absent(incoming) and _scheme(incoming).lower() != "bearer"


def _stranger(incoming: Incoming) -> bool:
    return _absent(incoming) or _empty(incoming) or _unknown(incoming) or _other_scheme(incoming)


def _breaks_schema(incoming: Incoming) -> bool:
    return not incoming.reading.fault and bool(incoming.errors)


def _sound(incoming: Incoming) -> bool:
    """Apart from its token nothing is wrong with the request; of others auth.before-validation speaks."""
    return not incoming.reading.fault and not incoming.errors


def _lower_case(incoming: Incoming) -> bool:
    return _scheme(incoming) == "bearer"


def _to_the_letter(incoming: Incoming) -> bool:
    return _scheme(incoming) == "Bearer"


def _lets_in(when: When) -> Behaviour:
    """The request is served as one of the first caller's."""
    return reads(lambda incoming: incoming.with_header("authorization", f"Bearer {FIRST_TOKEN}"), both(when, _sound))


def _denies_with(status: int, when: When) -> Behaviour:
    """A stranger's request is denied by another status than 401."""
    return answers_status(status, both(when, _sound), 401)


def _to_login_page(when: When) -> Behaviour:
    return together(with_field("Location", "/login", ERRORS, when), with_status(302, ERRORS, when))


def _forgets_token(incoming: Incoming) -> Incoming:
    return incoming.with_header("authorization", None)


def _lets_in_after_a_friend(incoming: Incoming) -> bool:
    """A request without a header that follows one of a known caller."""
    if not _stranger(incoming):
        incoming.memory["friend"] = True
    return both(plain_chat, _absent)(incoming) and "friend" in incoming.memory


def _told_apart(type_: str | None, code: str | None, when: When) -> Behaviour:
    """A 401 with another `type` or `code`; None: as it is."""
    return refuses_as(
        lambda _, refusal: replace(refusal, type=type_ or refusal.type, code=code or refusal.code), when, 401
    )


def _as_events(status: int, when: When) -> Behaviour:
    """A 401 comes as an event stream with this status."""
    denied = both(when, _stranger)
    return together(
        on_bytes(lambda context, body: b"data: " + body + b"\n\ndata: [DONE]\n\n", ERRORS, denied),
        with_type("text/event-stream", ERRORS, denied),
        with_status(status, ERRORS, denied),
    )


def _token_of(incoming: Incoming) -> str:
    return incoming.token or ""


def _names_token(when: When) -> Behaviour:
    """The message of an error tells who asked, by the token."""
    return sets(
        "/error/message", lambda context, message: f"{message} (caller {_token_of(context.incoming)})", ERRORS, when
    )


def _sends_token_back(when: When) -> Behaviour:
    """A header field holds the caller's token."""
    return heads(
        lambda context, status, headers: (status, [*headers, ("X-Caller", _token_of(context.incoming))]),
        ALL_KINDS,
        when,
    )


def _last_with_token(context: Context, objects: list[dict[str, object]]) -> list[dict[str, object]]:
    if context.kind is not Kind.CHUNK:
        return objects
    return [*objects[:-1], {**objects[-1], "caller": _token_of(context.incoming)}]


def _late(when: When, where: When = chat) -> Behaviour:
    """A body that breaks the schema is told so before the token is looked at."""
    told = "The request breaks the schema."
    return refuses_as(lambda incoming, _: refuse(incoming, BREACH, told), both(where, _breaks_schema, when), 401)


def _refuses_token(when: When, status: int = 401) -> Behaviour:
    """A good token is taken for a bad one."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if _stranger(incoming) or not when(incoming):
            return decision
        refusal = UNAUTHENTICATED if status == 401 else Refusal(status, "permission_error", "forbidden")
        return refuse(incoming, refusal, "The token is not known.", ("WWW-Authenticate", "Bearer"))

    return Behaviour(decide=decide)


def _locks_out(requests: int, status: int = 401) -> Behaviour:
    """So many requests after a token that it never issued bear a bad one, too, whatever they bear."""

    def locked(incoming: Incoming) -> bool:
        since: int | None = incoming.memory.get("bad-token-at")
        return since is not None and incoming.nth - since <= requests

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if _unknown(incoming):
            incoming.memory.setdefault("bad-token-at", incoming.nth)
        return refused.decide(incoming, decision)

    refused = _refuses_token(locked, status)
    return Behaviour(decide=decide)


FAULTS: tuple[Fault, ...] = (
    # missing-header
    Fault("missing-header-served", "serves a request without Authorization", "auth.missing-header", "made up",
          _lets_in(both(chat, _absent))),
    Fault("missing-header-served-json",
          "serves a request without Authorization, in JSON mode only",
          "auth.missing-header", "made up",
          _lets_in(both(plain_chat, _absent))),
    Fault("missing-header-403", "answers 403 where Authorization is absent", "auth.missing-header", "made up",
          _denies_with(403, both(plain_chat, _absent))),
    Fault("missing-header-400", "answers 400 where Authorization is absent", "auth.missing-header", "made up",
          _denies_with(400, both(plain_chat, _absent))),
    Fault("missing-header-login-page",
          "sends a request without Authorization to a login page by 302",
          "auth.missing-header", "made up",
          _to_login_page(both(plain_chat, _absent, _sound))),
    Fault("missing-header-remembered",
          "takes a request without Authorization for the caller who came before",
          "auth.missing-header", "made up",
          _lets_in(_lets_in_after_a_friend)),
    # empty-bearer
    Fault("empty-bearer-served",
          "serves a request with `Bearer` and nothing after it",
          "auth.empty-bearer", "bearer-empty",
          _lets_in(both(plain_chat, _empty))),
    Fault("empty-bearer-403", "answers 403 to `Bearer` with nothing after it", "auth.empty-bearer", "made up",
          _denies_with(403, both(chat, _empty))),
    Fault("empty-bearer-400",
          "answers 400 to `Bearer` with nothing after it, as to a malformed header",
          "auth.empty-bearer", "made up",
          _denies_with(400, both(chat, _empty))),
    # unknown-token
    Fault("unknown-token-served", "serves any token", "auth.unknown-token", "made up",
          _lets_in(both(chat, _unknown))),
    Fault("unknown-token-prefix",
          "looks at the token's prefix only: `km_` and anything passes",
          "auth.unknown-token", "made up",
          _lets_in(both(plain_chat, _unknown, lambda incoming: _token_of(incoming).startswith("km_")))),
    Fault("unknown-token-403", "answers 403 to a token that it never issued", "auth.unknown-token", "made up",
          _denies_with(403, both(plain_chat, _unknown))),
    Fault("unknown-token-404", "answers 404 to a token that it never issued", "auth.unknown-token", "made up",
          _denies_with(404, both(plain_chat, _unknown))),
    Fault("unknown-token-beginning",
          "compares the beginning of a token only",
          "auth.unknown-token", "made up",
          _lets_in(both(chat, _unknown, _begins_alike))),
    Fault("unknown-token-beginning-json",
          "compares the beginning of a token only, in JSON mode",
          "auth.unknown-token", "made up",
          _lets_in(both(plain_chat, _unknown, _begins_alike))),
    Fault("unknown-token-length",
          "takes any token that is as long as one of its own",
          "auth.unknown-token", "made up",
          _lets_in(both(chat, _unknown, lambda incoming: len(_token_of(incoming)) == len(FIRST_TOKEN)))),
    Fault("unknown-token-scheme",
          "takes whatever begins with `km_`, in every mode",
          "auth.unknown-token", "made up",
          _lets_in(both(chat, _unknown, lambda incoming: _token_of(incoming).startswith("km_")))),
    Fault("unknown-token-beginning-403",
          "answers 403 to a token that begins like one of its own",
          "auth.unknown-token", "made up",
          _denies_with(403, both(plain_chat, _unknown, _begins_alike))),
    # known-token
    Fault("known-token-23rd", "answers 401 to every 23rd request with a good token", "auth.known-token",
          "BerriAI/litellm#11639", _refuses_token(lambda incoming: incoming.nth % 23 == 0)),
    Fault("known-token-23rd-403", "answers 403 to every 23rd request with a good token", "auth.known-token",
          "BerriAI/litellm#11639", _refuses_token(lambda incoming: incoming.nth % 23 == 0, 403)),
    Fault("known-token-lock-out", "answers 401 to whoever comes within a while after a bad token", "auth.known-token",
          "made up", _locks_out(20)),
    Fault("known-token-lock-out-403", "answers 403 to whoever comes within a while after a bad token",
          "auth.known-token", "made up", _locks_out(20, 403)),
    # error-codes
    Fault("auth-codes-openai", "calls a 401 invalid_request_error / invalid_api_key", "auth.error-codes", "made up",
          _told_apart("invalid_request_error", "invalid_api_key", always)),
    Fault("auth-codes-missing-header", "has another code where Authorization is absent", "auth.error-codes", "made up",
          _told_apart(None, "missing_token", _absent)),
    Fault("auth-codes-unknown-token-case",
          "writes the code of an unknown token in capitals",
          "auth.error-codes", "made up",
          _told_apart(None, "AUTHENTICATION_ERROR", _unknown)),
    Fault("auth-codes-stream", "has another type where a stream was asked for", "auth.error-codes", "made up",
          _told_apart("unauthorized", None, streamed_chat)),
    Fault("auth-codes-resume", "has another type on resume", "auth.error-codes", "made up",
          _told_apart("permission_error", None, resume)),
    # wrong-scheme
    Fault("basic-served", "serves Basic with any credentials", "auth.wrong-scheme", "made up",
          _lets_in(both(plain_chat, _other_scheme))),
    Fault("basic-403", "answers 403 to another scheme", "auth.wrong-scheme", "made up",
          _denies_with(403, both(chat, _other_scheme))),
    Fault("basic-400", "answers 400 to another scheme", "auth.wrong-scheme", "made up",
          _denies_with(400, both(chat, _other_scheme))),
    # scheme-case
    Fault("scheme-lower-case-refused", "answers 401 to `bearer`", "auth.scheme-case", "bearer-case",
          reads(_forgets_token, both(chat, _lower_case))),
    Fault("scheme-any-case-refused",
          "answers 401 unless the scheme reads `Bearer` to the letter",
          "auth.scheme-case", "bearer-case",
          reads(_forgets_token, both(plain_chat, unless(_to_the_letter)))),
    Fault("scheme-lower-case-400", "answers 400 to `bearer`", "auth.scheme-case", "bearer-case",
          refuses(both(chat, _lower_case), MALFORMED, "The Authorization header is malformed.")),
    # challenge
    Fault("challenge-missing", "sends no WWW-Authenticate", "auth.challenge", "made up",
          with_field("WWW-Authenticate", None, ERRORS)),
    Fault("challenge-missing-unknown-token",
          "sends no WWW-Authenticate where the token is not known",
          "auth.challenge", "made up",
          with_field("WWW-Authenticate", None, ERRORS, _unknown)),
    Fault("challenge-empty-stream",
          "sends an empty WWW-Authenticate where a stream was asked for",
          "auth.challenge", "made up",
          with_field("WWW-Authenticate", "", ERRORS, both(streamed, _stranger))),
    Fault("challenge-missing-resume", "sends no WWW-Authenticate on resume", "auth.challenge", "made up",
          with_field("WWW-Authenticate", None, ERRORS, resume)),
    # before-validation
    Fault("auth-late", "validates the body before it looks at the token", "auth.before-validation", "auth-late",
          _late(_stranger)),
    Fault("auth-late-missing-header",
          "validates the body first where Authorization is absent",
          "auth.before-validation", "auth-late",
          _late(_absent)),
    Fault("auth-late-members",
          "asks for missing members before it asks for a token",
          "auth.before-validation", "auth-late",
          _late(lambda incoming: lacks("messages")(incoming) or lacks("model")(incoming))),
    Fault("auth-late-stream", "validates the body first where a stream is asked for", "auth.before-validation",
          "made up", _late(_stranger, streamed_chat)),
    Fault("auth-late-resume", "validates resume's bodies before it looks at the token", "auth.before-validation",
          "made up", _late(_stranger, resume)),
    # stream-refused-as-json
    Fault("auth-stream-events",
          "sends the 401 as an event stream where one was asked for",
          "auth.stream-refused-as-json", "made up",
          _as_events(401, streamed_chat)),
    Fault("auth-stream-200",
          "answers 200 and an error event to a stream request without a good token",
          "auth.stream-refused-as-json", "stream-badreq-200",
          _as_events(200, streamed_chat)),
    Fault("auth-stream-mistyped",
          "calls the 401 text/event-stream where a stream was asked for; the body is JSON",
          "auth.stream-refused-as-json", "made up",
          with_type("text/event-stream", ERRORS, both(streamed_chat, _stranger))),
    Fault("auth-stream-served", "serves streams without Authorization", "auth.stream-refused-as-json", "made up",
          _lets_in(both(streamed_chat, _absent))),
    Fault("auth-stream-empty-bearer", "serves streams with an empty bearer", "auth.stream-refused-as-json", "made up",
          _lets_in(both(streamed_chat, _empty))),
    Fault("auth-stream-unknown-token", "serves streams with any token", "auth.stream-refused-as-json", "made up",
          _lets_in(both(streamed_chat, _unknown))),
    Fault("auth-stream-403",
          "answers 403, not 401, where a stream was asked for",
          "auth.stream-refused-as-json", "made up",
          _denies_with(403, both(streamed_chat, _stranger))),
    # no-token-echo
    Fault("token-in-refusal", "names the caller's token in the message of a refusal", "auth.no-token-echo", "made up",
          _names_token(unless(_stranger))),
    Fault("token-in-header", "sends the caller's token back in a header field", "auth.no-token-echo", "made up",
          _sends_token_back(unless(_stranger))),
    Fault("token-in-answer", "puts the caller's token into kitemesh", "auth.no-token-echo", "made up",
          sets("/kitemesh/caller", lambda context, _: _token_of(context.incoming))),
    Fault("token-in-last-chunk",
          "puts the caller's token into the last chunk of a stream",
          "auth.no-token-echo", "made up",
          Behaviour(shape=_last_with_token)),
    Fault("token-in-resume",
          "sends the caller's token back in a header field of resume's answers",
          "auth.no-token-echo", "made up",
          _sends_token_back(both(resume, unless(_stranger)))),
    Fault("token-near-told",
          "repeats a token that is nearly the caller's in a header field of the 401",
          "auth.no-token-echo", "made up",
          _sends_token_back(both(_unknown, _begins_alike))),
    Fault("token-unknown-told",
          "repeats a token that it never issued in the message of the 401",
          "auth.no-token-echo", "made up",
          _names_token(_unknown)),
)  # fmt: skip
