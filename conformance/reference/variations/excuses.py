"""Answers that tell of a model, a quota, a filter or the network rather than of the request."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace

from conformance.reference import answers
from conformance.reference.behaviour import Behaviour, Headers
from conformance.reference.conditions import (
    Object,
    When,
    all_of,
    limit_is,
    mode_is,
    one_in,
    prompt_has,
    refused_as,
    resume,
    sent_messages,
    streamed,
    unless,
)
from conformance.reference.decision import Decision, Refuse, Serve
from conformance.reference.fault import Variation, withholding
from conformance.reference.incoming import Incoming
from conformance.reference.intake import Refusal, refuse
from conformance.reference.making import (
    ERRORS,
    SERVED,
    data_of,
    decides,
    refuses,
    says,
    speaks,
    together,
    transmits,
    with_field,
)
from conformance.reference.transmission import Abort, Out, Piece
from conformance.reference.variations.transport import asctime, imf_fixdate

_EXCUSED = "Answers that excuse: "
_WORDED = _EXCUSED + "an error whose `code`, `type` or `message` names …"
_NETWORK = _EXCUSED + "a connection that is reset or refused"
_OWN_LIMIT = "Left open: a refusal of a documented limit is excused only if it names the model, its context or a quota"
_RATE = ("rate_limit_error", "rate_limit_exceeded")
_SERVER = ("server_error", "upstream_unavailable")
_MANY = 500


def _status(when: When, status: int, *headers: tuple[str, str]) -> Behaviour:
    """The standard error object with a status that excuses."""
    named = _RATE if status == 429 else _SERVER
    return refuses(when, Refusal(status, *named), "Try again later.", *headers)


def _worded(when: When, status: int, type_: str, code: str, message: str) -> Behaviour:
    return refuses(when, Refusal(status, type_, code), message)


def _dated(seconds: float, write: Callable[[float], str] = imf_fixdate) -> Behaviour:
    """429 once for every seventh request, with a date in `Retry-After`."""

    def slowed(incoming: Incoming, _: Serve) -> Decision:
        return refuse(incoming, Refusal(429, *_RATE), "Slow down.", ("Retry-After", write(incoming.at + seconds)))

    return decides(slowed, one_in(7, 1))


def _reset(when: When) -> Behaviour:
    """The connection breaks before a byte of the answer, and nothing was done."""
    return together(
        refuses(when, Refusal(503, "server_error", "reset"), "Never sent."),
        transmits(lambda _, pieces: [Abort()], ERRORS, refused_as("reset")),
    )


def _lost(when: When) -> Behaviour:
    """The connection breaks before a byte of the answer, and yet all was done."""
    return transmits(lambda _, pieces: [Abort()], SERVED, when)


def _broken_off(when: When) -> Behaviour:
    """The connection breaks in the midst of the answer."""

    def half(_: Incoming, pieces: list[Piece]) -> list[Piece]:
        data = data_of(pieces)
        return [Out(data[: len(data) // 2]), Abort(0.02)]

    # The length of the whole cannot be told any more: without one the body is chunked.
    return together(transmits(half, SERVED, when), with_field("content-length", None, SERVED))


def _gateway_times_out(when: When, status: int) -> Behaviour:
    """A gateway gave up while the server went on: the work is done, the answer is the gateway's."""
    key = "timed out"

    def emit(incoming: Incoming, pieces: list[Piece]) -> list[Piece]:
        if not when(incoming):
            return pieces
        incoming.memory.setdefault(key, set()).add(incoming.nth)
        told = Refuse(status, "server_error", "gateway_timeout", "The upstream gave no answer in time.",
                      incoming.request_id)  # fmt: skip
        return [Out(_encode(answers.error(told)))]

    def head(incoming: Incoming, old: int, headers: Headers) -> tuple[int, Headers]:
        if incoming.nth not in incoming.memory.get(key, ()):
            return old, headers
        return status, [("Content-Type", "application/json"), ("Connection", "close")]

    return together(transmits(emit, SERVED), Behaviour(head=head))


def _since_leaving(seconds: float, refusal: Refusal, times: int | None = None) -> Behaviour:
    """Refuses whatever comes so soon after a client left; `times`: no more often than that in all."""

    def left(incoming: Incoming) -> None:
        incoming.memory["busy until"] = time.time() + seconds

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        done = incoming.memory.get("turned away", 0)
        busy = incoming.at < incoming.memory.get("busy until", 0.0) and (times is None or done < times)
        if not isinstance(decision, Serve) or not busy:
            return decision
        incoming.memory["turned away"] = done + 1
        return refuse(incoming, refusal, "Not now.")

    return Behaviour(left=left, decide=decide, hesitation=0.02)


def _locks_for(seconds: float, tries: int) -> Behaviour:
    """429 to everybody for some time after so many bad tokens: a guard against those who try tokens out."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        now = time.monotonic()
        if now < incoming.memory.get("locked until", now):
            told = "Too many failed attempts from this address."
            return refuse(incoming, Refusal(429, *_RATE), told, ("Retry-After", str(math.ceil(seconds))))
        if isinstance(decision, Refuse) and decision.status == 401 and incoming.token is not None:
            incoming.memory["bad"] = incoming.memory.get("bad", 0) + 1
            if incoming.memory["bad"] % tries == 0:
                incoming.memory["locked until"] = now + seconds
        return decision

    return Behaviour(decide=decide)


def _encode(value: Object) -> bytes:
    return json.dumps(value).encode()


def _crowded(most: int) -> Behaviour:
    """429 to whoever comes while `most` others are being served."""
    return refuses(
        lambda incoming: incoming.in_flight > most, Refusal(429, *_RATE), "Too many at once.", ("Retry-After", "1")
    )


def _per_second(most: int) -> Behaviour:
    """429 to what exceeds `most` requests within a second, bad ones and retries counted too."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        seen: list[float] = incoming.memory.setdefault("seen", [])
        now = time.monotonic()
        seen[:] = [at for at in seen if at > now - 1]
        if isinstance(decision, Refuse) and decision.status == 401:
            return decision
        if len(seen) >= most:
            return refuse(incoming, Refusal(429, *_RATE), "Too many requests.", ("Retry-After", "1"))
        seen.append(now)
        return decision

    return Behaviour(decide=decide)


def _refuses_first(status: int) -> Behaviour:
    """Every third request is turned away once, before its body is looked at: bad ones too."""
    when = one_in(3, 1)

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        if (isinstance(decision, Refuse) and decision.status in (401, 405)) or not when(incoming):
            return decision
        return refuse(incoming, Refusal(status, *_SERVER), "The server is starting.", ("Retry-After", "1"))

    return Behaviour(decide=decide)


PAGE = b"""<!DOCTYPE html>
<html lang="en"><head><title>Just a moment...</title></head>
<body><h1>Checking your browser</h1><p>Ray ID: 8a6f</p></body></html>
"""


def _firewall(when: When, status: int = 200, media_type: str | None = "text/html; charset=UTF-8") -> Behaviour:
    """A firewall's own page, in place of whatever the server would say: to strangers and bad bodies, too."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        return refuse(incoming, Refusal(status, "page", "page"), "") if when(incoming) else decision

    return together(Behaviour(decide=decide), says(PAGE, media_type, refused_as("page")))


def _each(nth: int) -> When:
    """Every n-th request that comes, whatever it is: what is asked again gets past."""
    return lambda incoming: incoming.nth % nth == 0


def _locks_out(tries: int) -> Behaviour:
    """After a bad token the next requests are denied, and told why: a guard against those who try tokens out."""

    def decide(incoming: Incoming, decision: Decision) -> Decision:
        left: int = incoming.memory.get("locked", 0)
        if isinstance(decision, Refuse) and decision.status == 401 and incoming.token is not None and left == 0:
            incoming.memory["locked"] = tries
        elif left > 0:
            incoming.memory["locked"] = left - 1
            told = "Too many failed attempts from this address. Try again in a moment."
            return refuse(incoming, Refusal(403, "permission_error", "locked"), told, ("Retry-After", "0"))
        return decision

    return Behaviour(decide=decide)


def _with_system(incoming: Incoming) -> bool:
    return any(message.get("role") == "system" for message in sent_messages(incoming)) and not _many(incoming)


def _temperature_is(*values: float) -> When:
    return lambda incoming: incoming.document.get("temperature") in values


def _not_temperature_1(incoming: Incoming) -> bool:
    return bool(incoming.document.get("temperature", 1) != 1)


def _many(incoming: Incoming) -> bool:
    return len(sent_messages(incoming)) >= _MANY


def _clipped(when: When) -> Behaviour:
    """Answers that the filter stops after their first word."""
    return speaks(lambda _, answer: replace(answer, tokens=answer.tokens[:1], finish_reason="content_filter"), when)


TOO_LARGE = {
    "of-openai": "max_tokens is too large: 200000. This model supports at most 16384 completion tokens, whereas you"
    " provided 200000.",
    "of-a-version": "max_tokens: 200000 > 8192, which is the maximum allowed number of output tokens for"
    " large-3-5-20241022",
    "of-context": "This model's maximum context length is 4096 tokens. However, you requested 200041 tokens (41 in the"
    " messages, 200000 in the completion). Please reduce the length of the messages or completion.",
    "of-vllm": "'max_tokens' or 'max_completion_tokens' is too large: 200000. This model's maximum context length is"
    " 32768 tokens and your request has 12 input tokens (200000 > 32768 - 12).",
    "of-bedrock": "The maximum tokens you requested exceeds the model limit of 8192. Try again with a maximum tokens"
    " value that is lower than 8192.",
    "of-groq": "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the"
    " `context_window` for this model",
    "of-sglang": "Requested token count exceeds the model's maximum context length of 131072 tokens.",
    "in-french": "Le nombre de jetons demandé dépasse la limite de sortie de ce modèle (8192).",
    "by-name": "200000 output tokens: the selected model group-large-2 stops at 8192.",
}
"""Refusals of 200000 tokens, each of which names the model or its context."""


def _few_tokens(incoming: Incoming) -> bool:
    """Either limit of the output is below 16."""
    limits = (incoming.document.get(member) for member in ("max_tokens", "max_completion_tokens"))
    return any(isinstance(limit, int) and limit < 16 for limit in limits)


TOO_SMALL = "Could not finish the message because max_tokens or model output limit was reached. Please try again."
"""A reasoning model's refusal of a single token of output."""

_APART = {
    "isolation.same-request-id": "one of two simultaneous requests was turned away at first",
    "isolation.slow-reader": "one of two simultaneous requests was turned away at first",
    "resume.race": "one of two simultaneous requests was turned away at first",
    "robust.disconnect": "the request that was to be left was turned away at first",
}
"""What shows only while several requests are under way, or at the first try."""


_UNDECIDED = dict.fromkeys(
    (
        "resume.approve",
        "resume.deny",
        "resume.stream",
        "resume.execution-continues",
        "resume.approval-id",
        "resume.decision-shape",
        "resume.further-round",
        "resume.refusal-keeps",
        "resume.race",
        "resume.expired",
        "resume.replay",
        "resume.request-fields",
        "isolation.slow-reader",
    ),
    "the answer to each resume is lost",
)


def _passing(id_: str, summary: str, source: str, behaviour: Behaviour) -> Variation:
    """A trouble that passes."""
    return Variation(id_, summary, source, behaviour, _APART)


VARIATIONS: tuple[Variation, ...] = withholding(
    *(_passing(f"excuse-{status}-once", f"{status} once for every fifth request.", _EXCUSED + str(status),
               _status(one_in(5, 1), status))
      for status in (408, 502, 503, 504, 520, 524, 527, 529)),
    _passing("failure-500-once", "500 once for every fifth request: a passing trouble.",
             "error.no-server-error: by 5xx again and again",
             refuses(
                 one_in(5, 1), Refusal(500, "server_error", "server_error"), "The server failed at this request."
             )),
    _passing("excuse-429-once", "429 once for every fifth request, `Retry-After: 1`.", _EXCUSED + "429",
             _status(one_in(5, 1), 429, ("Retry-After", "1"))),
    _passing("excuse-429-twice", "429 twice for every seventh request, `Retry-After: 0`.",
             _EXCUSED + "tries twice again", _status(one_in(7, 2), 429, ("Retry-After", "0"))),
    _passing("excuse-429-dated", "429 once for every seventh request, with a date in `Retry-After`.", _EXCUSED + "429",
             _dated(1.0)),
    _passing("excuse-429-dated-asctime", "The same, in asctime's form.", _EXCUSED + "429", _dated(1.0, asctime)),
    _passing("excuse-503-twice", "503 twice for every seventh request.", _EXCUSED + "tries twice again",
             _status(one_in(7, 2), 503)),
    _passing("excuse-503-starting", "503 once for every third request, bad ones too.", _EXCUSED + "503",
             _refuses_first(503)),
    Variation("excuse-429-always-one-kind", "429 always to temperature 2, `Retry-After: 3600`.", _EXCUSED + "429",
              _status(_temperature_is(2), 429, ("Retry-After", "3600"))),
    Variation("excuse-402-one-kind", "402 to 200000 tokens: the credits do not last.", _EXCUSED + "402",
              _worded(limit_is(200_000), 402, "billing_error", "insufficient_credits", "Not enough credits.")),
    Variation("excuse-451-one-kind", "451 to one prompt.", _EXCUSED + "451",
              _worded(prompt_has("مرحبا"), 451, "policy_error", "unavailable", "Not available in your region.")),
    _passing("excuse-429-crowded", "429 while more than four are being served.", _EXCUSED + "429", _crowded(4)),
    _passing("excuse-429-per-second", "429 beyond forty requests a second.", _EXCUSED + "429", _per_second(40)),
    Variation("excuse-filter-400", "A content filter refuses one prompt by 400.", _WORDED + " content filter",
              _worded(
                  prompt_has("مرحبا"),
                  400,
                  "invalid_request_error",
                  "content_filter",
                  "The response was filtered due to the prompt triggering our content management policy.",
              )),
    Variation("excuse-filter-403", "A moderation refuses one prompt by 403.", _WORDED + " content filter",
              _worded(prompt_has("\x1b"), 403, "permission_error", "moderation_blocked", "Your request was flagged.")),
    Variation("excuse-filter-422-message", "A filter refuses one prompt by 422, which only the message tells.",
              _WORDED + " content filter",
              _worded(
                  prompt_has("\u202e"),
                  422,
                  "invalid_request_error",
                  "invalid_request",
                  "The prompt was rejected by our safety system.",
              ), {"accept.unicode-edges": "the one request that is made of them was filtered"}),
    Variation("excuse-filter-clips", "A content filter stops one kind of answer after a word.",
              "completion.finish-reason: `content_filter`", _clipped(prompt_has("مرحبا"))),
    Variation("excuse-filter-clips-streams", "A content filter stops one kind of stream after a word.",
              "completion.finish-reason: `content_filter`", _clipped(prompt_has("日本語"))),
    *(Variation(f"model-limit-{name}", f"200000 tokens of output refused by 400: {words[:50]}…", _OWN_LIMIT,
                _worded(limit_is(200_000), 400, "invalid_request_error", "invalid_value", words))
      for name, words in TOO_LARGE.items()),
    Variation("model-limit-422-code", "200000 tokens of output refused by 422, told by the code alone.", _OWN_LIMIT,
              _worded(limit_is(200_000), 422, "invalid_request_error", "model_limit_exceeded", "Too large.")),
    Variation("model-limit-of-one-token", "A reasoning model refuses a single token of output.", _OWN_LIMIT,
              _worded(limit_is(1), 400, "invalid_request_error", "invalid_value", TOO_SMALL)),
    Variation("model-limit-of-few-tokens", "A reasoning model refuses fewer than 16 tokens of output.", _OWN_LIMIT,
              _worded(_few_tokens, 400, "invalid_request_error", "invalid_value", TOO_SMALL)),
    Variation("model-context-500-messages", "500 messages exceed the model's context.", _WORDED + " context length",
              _worded(
                  _many,
                  400,
                  "invalid_request_error",
                  "context_length_exceeded",
                  "This model's maximum context length is 4096 tokens. However, your messages resulted in 5012 tokens.",
              )),
    Variation("model-context-500-messages-words", "500 messages exceed the model's context, in words alone.",
              _WORDED + " context length",
              _worded(
                  _many,
                  413,
                  "invalid_request_error",
                  "too_long",
                  "Prompt is too long for the model's context window.",
              )),
    Variation("model-temperature-fixed", "A model that knows temperature 1 alone.", _OWN_LIMIT,
              _worded(
                  _not_temperature_1,
                  400,
                  "invalid_request_error",
                  "unsupported_value",
                  "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is"
                  " supported.",
              ), {"accept.any-valid": "each unusual body may bear a temperature that the model does not know"}),
    Variation("sheds-load-after-leaving", "503 to everybody for a moment after a client left, until the slot is free.",
              _EXCUSED + "503", _since_leaving(0.3, Refusal(503, *_SERVER)),
              {"robust.disconnect": "what comes right after a client left is turned away by 503"}),
    _passing("accident-after-leaving", "500 once in all, by accident just after a client left.",
             "Asking again washes nothing out: the act is done once more in a calm moment; if the same follows again …",
             _since_leaving(0.3, Refusal(500, "server_error", "internal_error"), times=1)),
    Variation("model-context-500-messages-total", "500 messages are too long in all.",
              _WORDED + " a length of the prompt",
              _worded(
                  _many,
                  400,
                  "invalid_request_error",
                  "invalid_request",
                  "The total length of all messages is too long",
              )),
    Variation("model-prompt-of-500-messages", "500 messages are too many tokens for the prompt.",
              _WORDED + " a number of tokens of the prompt",
              _worded(
                  _many,
                  400,
                  "invalid_request_error",
                  "invalid_request",
                  "prompt is too long: 9105 tokens > 8192 maximum",
              )),
    Variation("model-without-edges", "A model that takes no unusual characters, told in French.",
              _WORDED + " what the model can do",
              _worded(
                  prompt_has("\x1b"),
                  422,
                  "erreur",
                  "requete_invalide",
                  "Ce modèle ne prend pas en charge les caractères U+001B.",
              )),
    Variation("model-without-system-messages", "A model that knows no role `system` in a JSON answer.",
              _WORDED + " what the model can do",
              _worded(
                  all_of(_with_system, unless(streamed)),
                  400,
                  "invalid_request_error",
                  "unsupported_value",
                  "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
              )),
    Variation("quota-in-french", "A quota of one mode is used up, told in French by 403.", _WORDED + " quota",
              _worded(
                  mode_is("synth"),
                  403,
                  "permission_error",
                  "forbidden",
                  "Quota dépassé pour le mode synth.",
              )),
    *(_passing(f"firewall-page-{name}", f"A firewall answers every 23rd request by a page of status {status}, {said}.",
               _EXCUSED + "a page of a proxy or firewall, whatever its status",
               _firewall(_each(23), status, media_type))
      for name, status, media_type, said in (
          ("200", 200, "text/html; charset=UTF-8", "bad requests and strangers too"),
          ("200-untyped", 200, None, "without a media type"),
          ("404", 404, "text/html", "whether the request is good or bad"),
      )),
    Variation("firewall-page-200-one-prompt", "A firewall answers one prompt by a page of status 200.",
              _EXCUSED + "a page of a proxy or firewall, whatever its status",
              _firewall(prompt_has("مرحبا"))),
    _passing("locks-out-after-a-bad-token", "The request that follows a bad token is denied by 403, with the reason.",
             _WORDED + " a rate limit", _locks_out(1)),
    _passing("locks-out-after-three-bad-tokens", "429 to everybody for a second after each third bad token.",
             _EXCUSED + "429", _locks_for(1.0, 3)),
    _passing("reset-once", "The connection breaks before the answer, once for every fifth request.", _NETWORK,
             _reset(one_in(5, 1))),
    _passing("reset-twice", "The connection breaks before the answer, twice for every seventh request.", _NETWORK,
             _reset(one_in(7, 2))),
    _passing("reset-after-the-effect", "Every fifth answer is lost once, though the work was done.", _NETWORK,
             _lost(one_in(5, 1))),
    Variation("reset-after-each-resume", "The answer to each resume is lost once, though it was carried out.", _NETWORK,
              _lost(one_in(1, 1, resume)), _UNDECIDED),
    _passing("reset-within-once", "Every seventh answer breaks off in its midst, once.", _NETWORK,
             _broken_off(one_in(7, 1))),
    _passing("gateway-timeout-after-the-effect", "504 once for every fifth JSON answer, though the work was done.",
             _EXCUSED + "504", _gateway_times_out(one_in(5, 1, unless(streamed)), 504)),
    Variation("gateway-timeout-after-each-resume", "504 once for each JSON resume, though it was carried out.",
              _EXCUSED + "504", _gateway_times_out(one_in(1, 1, all_of(resume, unless(streamed))), 504), _UNDECIDED),
)  # fmt: skip
