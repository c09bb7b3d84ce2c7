"""Refusals: which status, and in which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from conformance.reference.behaviour import Behaviour, Leniency, Replay
from conformance.reference.conditions import Object
from conformance.reference.decision import Decision, Refuse
from conformance.reference.fault import Variation
from conformance.reference.incoming import Incoming
from conformance.reference.making import ERRORS, at_path, on_headers, on_objects, retold, together, with_headers

_REFUSED = "Refused: status 4xx that is not an excuse and not 401, 403, 405 or 413; 400 or 422 for a bad body"
_ERROR = "Facts: an error object is four strings"
_WORDS = "error.no-internals: shows no stack trace, source path or query that the request did not hold"
_LATE = ("approval_already_resumed", "approval_expired")
_ON_APPROVALS = ("approval_not_found", "approval_already_resumed", "approval_expired", "tool_call_not_in_approval",
                 "contradictory_decision")  # fmt: skip
_ON_BODIES = ("invalid_json", "invalid_request", "contradictory_decision")


def _status(status: int, *codes: str, **members: Any) -> Behaviour:
    return retold({code: {"status": status, **members} for code in codes})


def _telling(message: str) -> Behaviour:
    """These words in every refusal of a body."""
    return retold({code: {"message": message} for code in _ON_BODIES})


def _named(type_: str, code: str) -> Behaviour:
    return retold({old: {"type": type_, "code": code} for old in (*_ON_BODIES, *_ON_APPROVALS)})


def _method(status: int, allow: str | None, **members: Any) -> Behaviour:
    headers = (("Allow", allow),) if allow else ()
    return retold({"method_not_allowed": {"status": status, "headers": headers, **members}})


def _challenge(value: str) -> Behaviour:
    return on_headers(
        lambda _, headers: [(n, value if n.lower() == "www-authenticate" else v) for n, v in headers], ERRORS
    )


def _unknown_model(incoming: Incoming, decision: Decision) -> Decision:
    """404 where the malformed model is all that is wrong."""
    if not isinstance(decision, Refuse) or decision.code != "invalid_request":
        return decision
    if any(error.pointer != "/model" for error in incoming.errors):
        return decision
    return replace(decision, status=404, code="model_not_found", message="The model does not exist.")


def _echoing() -> Behaviour:
    """The refused body's beginning, sent back in the message, as validators do."""

    def change(incoming: Incoming, value: Object) -> Object:
        if not isinstance(incoming.decision, Refuse) or incoming.decision.code not in _ON_BODIES:
            return value
        shown = incoming.body[:300].decode(errors="replace")
        return at_path(value, "/error/message", lambda told: f"{told} [input_value={shown!r}]")

    return on_objects(change, ERRORS)


_PYDANTIC = (
    "1 validation error for ChatCompletionRequest\nmessages.0.role\n  Input should be 'system', 'user', 'assistant' or"
    " 'tool' [type=literal_error, input_value='robot', input_type=str]\n    For further information visit"
    " https://errors.pydantic.dev/2.9/v/literal_error"
)
_GO = "json: cannot unmarshal string into Go struct field ChatCompletionRequest.messages.0.stream of type bool"
_SERDE = (
    "Failed to deserialize the JSON body into the target type: messages[0]: missing field `role` at line 1 column 92"
)
_NODE = 'Unexpected token \'}\', "...ent":"x"},}" is not valid JSON at position 94 (line 1 column 95)'
_POINTERS = (
    "body/messages/0/role must be equal to one of the allowed values; see /messages/0/role and #/properties/role"
)
_PROSE = (
    "Select a model from the list, update the request where needed, and insert it into the body. Delete nothing from"
    " your account; file an issue at https://kitemesh.example/docs/errors/v1.html#line-12 (error at 10:15, in main)."
)
_FRENCH = (
    "Requête invalide : le champ « messages » doit contenir au moins un message « user ». Réessayez après correction."
)

VARIATIONS: tuple[Variation, ...] = (
    Variation("refuses-by-400", "400 for every bad body and every fault of a resume.", _REFUSED,
              _status(400, *_ON_BODIES, *_ON_APPROVALS, "unsupported_media_type")),
    Variation("refuses-by-422", "422 for every bad body, malformed JSON too, and every fault of a resume.", _REFUSED,
              _status(422, *_ON_BODIES, *_ON_APPROVALS, "unsupported_media_type")),
    Variation("refuses-resumes-by-404", "404 for every approval that cannot be resumed, spent and late ones too.",
              "resume.approval-unknown, .replay, .expired, .race: answers 4xx",
              _status(404, "approval_not_found", *_LATE, type="not_found_error", code="approval_not_found")),
    Variation("refuses-resumes-by-409", "409 for every fault of a resume that its body does not show.",
              "resume.*: answers 4xx", _status(409, *_ON_APPROVALS)),
    Variation("refuses-resumes-by-410", "410 for approvals that are spent or late, and for those never given.",
              "resume.*: answers 4xx", _status(410, "approval_not_found", *_LATE)),
    Variation("refuses-resumes-by-403", "403 to another caller and to an approval never given.",
              "resume.*: answers 4xx",
              _status(403, "approval_not_found", type="permission_error", code="permission_denied")),
    Variation("refuses-by-409-and-412", "412 for late approvals, 423 for spent ones.", "resume.*: answers 4xx",
              together(_status(412, "approval_expired"), _status(423, "approval_already_resumed"))),
    Variation("model-malformed-404", "404 for a model that is not a `group:<uuid>`.",
              "Refused: 404 for an identifier that is malformed or unknown", Behaviour(decide=_unknown_model)),
    Variation("put-404", "404 to PUT.", "reject.method: 404, 405 or 501",
              _method(404, None, type="not_found_error", code="not_found")),
    Variation("put-501", "501 to PUT.", "reject.method: 404, 405 or 501",
              _method(501, None, type="server_error", code="not_implemented")),
    Variation("put-405-long-allow", "405 with more methods in `Allow`.", "reject.method: a 405 has `Allow`",
              _method(405, "OPTIONS, POST, HEAD")),
    Variation("media-type-400", "400 to another media type.", "reject.media-type: 415, 400 or 422",
              _status(400, "unsupported_media_type")),
    Variation("media-type-422", "422 to another media type.", "reject.media-type: 415, 400 or 422",
              _status(422, "unsupported_media_type")),
    Variation("challenge-long", "A challenge with realm, scope and error, and another scheme beside it.",
              "auth.challenge",
              _challenge(
                  'Bearer realm="kitemesh", scope="chat", error="invalid_token", error_description="unknown",'
                  ' DPoP algs="ES256"'
              )),
    Variation("challenge-lower", "`www-authenticate: bearer`.", "RFC 9110, section 11.1: case does not matter",
              together(
                  _challenge("bearer"), on_headers(lambda _, headers: [(n.lower(), v) for n, v in headers], ERRORS)
              )),
    Variation("error-words-pydantic", "Refusals in the words of a Python validator.", _WORDS, _telling(_PYDANTIC)),
    Variation("error-words-go", "Refusals in the words of Go's decoder.", _WORDS, _telling(_GO)),
    Variation("error-words-serde", "Refusals in the words of Rust's decoder.", _WORDS, _telling(_SERDE)),
    Variation("error-words-node", "Refusals in the words of a JavaScript parser.", _WORDS, _telling(_NODE)),
    Variation("error-words-pointers", "Refusals that point by paths into the body.", _WORDS, _telling(_POINTERS)),
    Variation("error-words-prose", "Refusals in prose that holds words of SQL, a URL and times.", _WORDS,
              _telling(_PROSE)),
    Variation("error-words-french", "Refusals in French.", _ERROR, _telling(_FRENCH)),
    Variation("error-words-empty", "Refusals with an empty message.", _ERROR, _telling("")),
    Variation("error-words-echoed", "Refusals that quote the body.", _WORDS, _echoing()),
    Variation("error-words-of-excuses", "Refusals of bad bodies that speak of models, limits and policies.",
              "Answers that excuse: what must be refused is refused by 400 and 422, whatever the words",
              _telling(
                  "The model's limit: `messages` needs 1 to 500 items; max_tokens exceeds the maximum of this model;"
                  " see our content policy and your quota of credits."
              )),
    Variation("error-codes-upper", "Types and codes in another vocabulary.", _ERROR,
              _named("INVALID_ARGUMENT", "E-4000/bad.request")),
    Variation("error-type-code-alike", "One word for type and code of every refusal.", _ERROR,
              _named("bad_request", "bad_request")),
    Variation("error-problem-header", "Refusals that link to their description and may not be kept.", _ERROR,
              with_headers({"Link": '<https://a.example/errors>; rel="help"', "Cache-Control": "no-cache"}, ERRORS)),
    Variation("replay-repeats", "A repeated decision gets the first answer again.",
              "Legitimate: a repeated decision may be answered with the first result again",
              Behaviour(leniency=Leniency(replay=Replay.REPEAT))),
)  # fmt: skip
