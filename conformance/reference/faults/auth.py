"""Faults of area auth, on chat completions; what resume does with tokens is told by resume.auth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from conformance.reference.behaviour import Behaviour
from conformance.reference.conditions import (
    When,
    all_of,
    always,
    chat,
    empty_bearer,
    lacks,
    no_authorization,
    plain_chat,
    resume,
    streamed,
    streamed_chat,
    unless,
)
from conformance.reference.decision import Decision, ObjectKind
from conformance.reference.fault import Fault, of
from conformance.reference.incoming import Incoming
from conformance.reference.intake import BREACH, UNAUTHENTICATED, Refusal, refuse
from conformance.reference.making import (
    ALL_KINDS,
    ERRORS,
    answers_status,
    heads,
    on_bytes,
    reads,
    refuses,
    refuses_as,
    sets,
    together,
    with_field,
    with_status,
    with_type,
)
from conformance.reference.settings import FIRST_TOKEN, SECOND_TOKEN


def _authorization(incoming: Incoming) -> str:
    return (incoming.header("authorization") or "").strip()


def _scheme(incoming: Incoming) -> str:
    return _authorization(incoming).partition(" ")[0]


MALFORMED = Refusal(400, "invalid_request_error", "malformed_header")


def _unknown(incoming: Incoming) -> bool:
    return incoming.token is not None and incoming.token not in (FIRST_TOKEN, SECOND_TOKEN)


def _begins_alike(incoming: Incoming) -> bool:
    """The token has the beginning of one that was issued."""
    return (incoming.token or "").startswith((FIRST_TOKEN[:-4], SECOND_TOKEN[:-4]))


def _in_part(same: Callable[[str, str], bool]) -> When:
    """The token is none of those issued, and the same as the first of them as far as the server looks."""
    return lambda incoming: _unknown(incoming) and same(incoming.token or "", FIRST_TOKEN)


_ends_alike = _in_part(lambda token, issued: token[-6:] == issued[-6:])
_same_but_for_case = _in_part(lambda token, issued: token.lower() == issued.lower())


def _other_scheme(incoming: Incoming) -> bool:
    return not no_authorization(incoming) and _scheme(incoming).lower() != "bearer"


def _stranger(incoming: Incoming) -> bool:
    return no_authorization(incoming) or empty_bearer(incoming) or _unknown(incoming) or _other_scheme(incoming)


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
    return reads(lambda incoming: incoming.with_header("authorization", f"Bearer {FIRST_TOKEN}"), all_of(when, _sound))


def _denies_with(status: int, when: When) -> Behaviour:
    """A stranger's request is denied by another status than 401."""
    return answers_status(status, all_of(when, _sound), 401)


def _to_login_page(when: When) -> Behaviour:
    return together(with_field("Location", "/login", ERRORS, when), with_status(302, ERRORS, when))


def _forgets_token(incoming: Incoming) -> Incoming:
    return incoming.with_header("authorization", None)


def _lets_in_after_a_friend(incoming: Incoming) -> bool:
    """A request without a header that follows one of a known caller."""
    if not _stranger(incoming):
        incoming.memory["friend"] = True
    return all_of(plain_chat, no_authorization)(incoming) and "friend" in incoming.memory


def _told_apart(type_: str | None, code: str | None, when: When) -> Behaviour:
    """A 401 with another `type` or `code`; None: as it is."""
    return refuses_as(
        lambda _, refusal: replace(refusal, type=type_ or refusal.type, code=code or refusal.code), when, 401
    )


def _as_events(status: int, when: When) -> Behaviour:
    """A 401 comes as an event stream with this status."""
    denied = all_of(when, _stranger)
    return together(
        on_bytes(lambda body: b"data: " + body + b"\n\ndata: [DONE]\n\n", ERRORS, denied),
        with_type("text/event-stream", ERRORS, denied),
        with_status(status, ERRORS, denied),
    )


def _token_of(incoming: Incoming) -> str:
    return incoming.token or ""


def _names_token(when: When) -> Behaviour:
    """The message of an error tells who asked, by the token."""
    return sets("/error/message", lambda incoming, message: f"{message} (caller {_token_of(incoming)})", ERRORS, when)


def _sends_token_back(when: When) -> Behaviour:
    """A header field holds the caller's token."""
    return heads(
        lambda incoming, status, headers: (status, [*headers, ("X-Caller", _token_of(incoming))]),
        ALL_KINDS,
        when,
    )


def _last_with_token(incoming: Incoming, objects: list[dict[str, object]]) -> list[dict[str, object]]:
    if incoming.kind is not ObjectKind.CHUNK:
        return objects
    return [*objects[:-1], {**objects[-1], "caller": _token_of(incoming)}]


def _late(when: When, where: When = chat) -> Behaviour:
    """A body that breaks the schema is told so before the token is looked at."""
    told = "The request breaks the schema."
    return refuses_as(lambda incoming, _: refuse(incoming, BREACH, told), all_of(where, _breaks_schema, when), 401)


def _breaks_at(place: str) -> When:
    """The body breaks the schema at a place that begins so."""
    return lambda incoming: any(error.pointer.startswith(place) for error in incoming.errors)


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
    *of("auth.missing-header",
        Fault("missing-header-served", "serves a request without Authorization",
              _lets_in(all_of(chat, no_authorization))),
        Fault("missing-header-served-json", "serves a request without Authorization, in JSON mode only",
              _lets_in(all_of(plain_chat, no_authorization))),
        Fault("missing-header-403", "answers 403 where Authorization is absent",
              _denies_with(403, all_of(plain_chat, no_authorization))),
        Fault("missing-header-400", "answers 400 where Authorization is absent",
              _denies_with(400, all_of(plain_chat, no_authorization))),
        Fault("missing-header-login-page", "sends a request without Authorization to a login page by 302",
              _to_login_page(all_of(plain_chat, no_authorization, _sound))),
        Fault("missing-header-remembered", "takes a request without Authorization for the caller who came before",
              _lets_in(_lets_in_after_a_friend)),
    ),
    *of("auth.empty-bearer",
        Fault("empty-bearer-served", "serves a request with `Bearer` and nothing after it",
              _lets_in(all_of(plain_chat, empty_bearer)), seen_in="bearer-empty"),
        Fault("empty-bearer-403", "answers 403 to `Bearer` with nothing after it",
              _denies_with(403, all_of(chat, empty_bearer))),
        Fault("empty-bearer-400", "answers 400 to `Bearer` with nothing after it, as to a malformed header",
              _denies_with(400, all_of(chat, empty_bearer))),
    ),
    *of("auth.unknown-token",
        Fault("unknown-token-served", "serves any token", _lets_in(all_of(chat, _unknown))),
        Fault("unknown-token-prefix", "looks at the token's prefix only: `km_` and anything passes",
              _lets_in(all_of(plain_chat, _unknown, lambda incoming: _token_of(incoming).startswith("km_")))),
        Fault("unknown-token-403", "answers 403 to a token that it never issued",
              _denies_with(403, all_of(plain_chat, _unknown))),
        Fault("unknown-token-404", "answers 404 to a token that it never issued",
              _denies_with(404, all_of(plain_chat, _unknown))),
        Fault("unknown-token-beginning", "compares the beginning of a token only",
              _lets_in(all_of(chat, _unknown, _begins_alike))),
        Fault("unknown-token-beginning-json", "compares the beginning of a token only, in JSON mode",
              _lets_in(all_of(plain_chat, _unknown, _begins_alike))),
        Fault("unknown-token-length", "takes any token that is as long as one of its own",
              _lets_in(all_of(chat, _unknown, lambda incoming: len(_token_of(incoming)) == len(FIRST_TOKEN)))),
        Fault("unknown-token-end", "compares the end of a token only",
              _lets_in(all_of(plain_chat, _ends_alike))),
        Fault("unknown-token-case", "compares tokens without regard to case",
              _lets_in(all_of(chat, _same_but_for_case))),
        Fault("unknown-token-scheme", "takes whatever begins with `km_`, in every mode",
              _lets_in(all_of(chat, _unknown, lambda incoming: _token_of(incoming).startswith("km_")))),
        Fault("unknown-token-beginning-403", "answers 403 to a token that begins like one of its own",
              _denies_with(403, all_of(plain_chat, _unknown, _begins_alike))),
    ),
    *of("auth.known-token",
        Fault("known-token-23rd", "answers 401 to every 23rd request with a good token",
              _refuses_token(lambda incoming: incoming.nth % 23 == 0), seen_in="BerriAI/litellm#11639"),
        Fault("known-token-23rd-403", "answers 403 to every 23rd request with a good token",
              _refuses_token(lambda incoming: incoming.nth % 23 == 0, 403), seen_in="BerriAI/litellm#11639"),
        Fault("known-token-lock-out", "answers 401 to whoever comes within a while after a bad token", _locks_out(20)),
        Fault("known-token-lock-out-403", "answers 403 to whoever comes within a while after a bad token",
              _locks_out(20, 403)),
    ),
    *of("auth.error-codes",
        Fault("auth-codes-openai", "calls a 401 invalid_request_error / invalid_api_key",
              _told_apart("invalid_request_error", "invalid_api_key", always)),
        Fault("auth-codes-missing-header", "has another code where Authorization is absent",
              _told_apart(None, "missing_token", no_authorization)),
        Fault("auth-codes-unknown-token-case", "writes the code of an unknown token in capitals",
              _told_apart(None, "AUTHENTICATION_ERROR", _unknown)),
        Fault("auth-codes-stream", "has another type where a stream was asked for",
              _told_apart("unauthorized", None, streamed_chat)),
        Fault("auth-codes-resume", "has another type on resume", _told_apart("permission_error", None, resume)),
    ),
    *of("auth.wrong-scheme",
        Fault("basic-served", "serves Basic with any credentials", _lets_in(all_of(plain_chat, _other_scheme))),
        Fault("basic-403", "answers 403 to another scheme", _denies_with(403, all_of(chat, _other_scheme))),
        Fault("basic-400", "answers 400 to another scheme", _denies_with(400, all_of(chat, _other_scheme))),
    ),
    *of("auth.scheme-case",
        Fault("scheme-lower-case-refused", "answers 401 to `bearer`", reads(_forgets_token, all_of(chat, _lower_case)),
              seen_in="bearer-case"),
        Fault("scheme-any-case-refused", "answers 401 unless the scheme reads `Bearer` to the letter",
              reads(_forgets_token, all_of(plain_chat, unless(_to_the_letter))), seen_in="bearer-case"),
        Fault("scheme-lower-case-400", "answers 400 to `bearer`",
              refuses(all_of(chat, _lower_case), MALFORMED, "The Authorization header is malformed."),
              seen_in="bearer-case"),
    ),
    *of("auth.challenge",
        Fault("challenge-missing", "sends no WWW-Authenticate", with_field("WWW-Authenticate", None, ERRORS)),
        Fault("challenge-missing-unknown-token", "sends no WWW-Authenticate where the token is not known",
              with_field("WWW-Authenticate", None, ERRORS, _unknown)),
        Fault("challenge-empty-stream", "sends an empty WWW-Authenticate where a stream was asked for",
              with_field("WWW-Authenticate", "", ERRORS, all_of(streamed, _stranger))),
        Fault("challenge-missing-resume", "sends no WWW-Authenticate on resume",
              with_field("WWW-Authenticate", None, ERRORS, resume)),
    ),
    *of("auth.before-validation",
        Fault("auth-late", "validates the body before it looks at the token", _late(_stranger), seen_in="auth-late"),
        Fault("auth-late-missing-header", "validates the body first where Authorization is absent",
              _late(no_authorization), seen_in="auth-late"),
        Fault("auth-late-members", "asks for missing members before it asks for a token",
              _late(lambda incoming: lacks("messages")(incoming) or lacks("model")(incoming)), seen_in="auth-late"),
        Fault("auth-late-stream", "validates the body first where a stream is asked for",
              _late(_stranger, streamed_chat)),
        Fault("auth-late-range", "validates `temperature` before the token, in JSON mode only",
              _late(_breaks_at("/temperature"), plain_chat)),
        Fault("auth-late-messages-stream", "validates messages before the token where a stream is asked for",
              _late(_breaks_at("/messages/"), streamed_chat)),
        Fault("auth-late-resume-stream", "validates resume's bodies first where a stream is asked for",
              _late(_stranger, all_of(resume, streamed))),
        Fault("auth-late-decision", "validates a decision before the token",
              _late(_breaks_at("/denied_tools"), resume)),
        Fault("auth-late-resume", "validates resume's bodies before it looks at the token", _late(_stranger, resume)),
    ),
    *of("auth.stream-refused-as-json",
        Fault("auth-stream-events", "sends the 401 as an event stream where one was asked for",
              _as_events(401, streamed_chat)),
        Fault("auth-stream-200", "answers 200 and an error event to a stream request without a good token",
              _as_events(200, streamed_chat), seen_in="stream-badreq-200"),
        Fault("auth-stream-mistyped", "calls the 401 text/event-stream where a stream was asked for; the body is JSON",
              with_type("text/event-stream", ERRORS, all_of(streamed_chat, _stranger))),
        Fault("auth-stream-served", "serves streams without Authorization",
              _lets_in(all_of(streamed_chat, no_authorization))),
        Fault("auth-stream-empty-bearer", "serves streams with an empty bearer",
              _lets_in(all_of(streamed_chat, empty_bearer))),
        Fault("auth-stream-token-beginning", "compares the first eight characters of a token only, for streams",
              _lets_in(all_of(streamed_chat, _in_part(lambda token, issued: token[:8] == issued[:8])))),
        Fault("auth-stream-token-end", "compares the end of a token only, for streams",
              _lets_in(all_of(streamed_chat, _ends_alike))),
        Fault("auth-stream-unknown-token", "serves streams with any token", _lets_in(all_of(streamed_chat, _unknown))),
        Fault("auth-stream-403", "answers 403, not 401, where a stream was asked for",
              _denies_with(403, all_of(streamed_chat, _stranger))),
    ),
    *of("auth.no-token-echo",
        Fault("token-in-refusal", "names the caller's token in the message of a refusal",
              _names_token(unless(_stranger))),
        Fault("token-in-header", "sends the caller's token back in a header field",
              _sends_token_back(unless(_stranger))),
        Fault("token-in-answer", "puts the caller's token into kitemesh",
              sets("/kitemesh/caller", lambda incoming, _: _token_of(incoming))),
        Fault("token-in-last-chunk", "puts the caller's token into the last chunk of a stream",
              Behaviour(shape=_last_with_token)),
        Fault("token-in-resume", "sends the caller's token back in a header field of resume's answers",
              _sends_token_back(all_of(resume, unless(_stranger)))),
        Fault("token-near-told", "repeats a token that is nearly the caller's in a header field of the 401",
              _sends_token_back(all_of(_unknown, _begins_alike))),
        Fault("token-unknown-told", "repeats a token that it never issued in the message of the 401",
              _names_token(_unknown)),
    ),
)  # fmt: skip
