"""Answers that excuse: what tells of a model, a quota or a proxy rather than of the server's conformance.

Source: contract, "Answers that excuse". Pure functions over a status and a body; the recorder asks again where they
give a reason, and the checks leave such an exchange unjudged.
"""

from __future__ import annotations

import json
import re
from typing import Any

OUTAGES = frozenset({502, 503, 504, 529, *range(520, 528)})
"""Status codes that tell of intermediaries and load (contract, "Weather")."""
EXCUSING = OUTAGES | {402, 408, 429, 451}
"""Status codes that tell of quotas, intermediaries and load."""

_WORDS = re.compile(
    r"""
      rate[\s_-]?limit | too[\s_]many[\s_]requests | overloaded | at[\s_]capacity
    | quota
    | \bcredits?\b | credit_ | _credit | insufficient[\s_](balance|funds) | billing
    | content[\s_-]?(filter|policy|moderation) | moderation | safety[\s_]system | flagged[ ](by|for)
    | context[\s_-]?(length|window|size|limit) | maximum[\s_]context
    | (?<!field\ ) (?<![`'"]) \bmodels?('s)?\b (?![`'"]|\ field) [^.;]{0,60}
      \b(limit|maximum|max|at[ ]most|up[ ]to|outputs?|exceed\w*|context) \b
    | \b(limit|maximum|max|supported|exceed\w*|allowed) \b [^.;]{0,40} \b(of|for|by|with|on) [ ]
      (the|this|your|selected|chosen|a)?
      [ ]? ([\w-]+[ ]){0,3} models?\b
    | model_(limit|max)\w* | unsupported_by_model
    """,
    re.IGNORECASE | re.VERBOSE,
)

_MODEL = re.compile(
    r"""
      (?<!field\ ) (?<![`'"]) \bmod(el|èle|ele)s?\b (?![`'"]|\ field)
    | \b(for|of|by|with|de|du|pour) \s+ [a-z][\w./]*-[\w.-]*\d
    | \bcontexte?
    | \bquota
    """,
    re.IGNORECASE | re.VERBOSE,
)

_TEXT_LIMIT = 4_000


def error_object(body: Any) -> dict[str, Any] | None:
    """The `error` member of an answer's JSON value where it is an object, else None."""
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        error: dict[str, Any] = body["error"]
        return error
    return None


def names_the_model(body: Any) -> str | None:
    """The words of an error that name the model, its context or a quota; None where it does not.

    A refusal of a documented limit is excused by them (contract, "Left open …"); other refusals are not, for `model` is
    the name of a field too.
    """
    error = error_object(body)
    for member in ("code", "message"):
        told = error.get(member) if error else None
        if isinstance(told, str) and (found := _MODEL.search(told[:_TEXT_LIMIT])):
            return found.group(0)
    return None


def excuse(status: int, media_type: str, body: bytes) -> str | None:
    """Why this answer is neither acceptance nor refusal, in a few words; None where it is one of the two.

    Takes the status code, the media type (lower case, no parameters) and the body's octets.
    """
    if status in EXCUSING:
        return f"status {status}"
    if status < 400:
        return None
    try:
        error = error_object(json.loads(body)) if len(body) < 1_000_000 else None
    except (ValueError, RecursionError):
        error = None
    if error is not None:
        for member in ("code", "type", "message"):
            told = error.get(member)
            if isinstance(told, str) and (found := _WORDS.search(told[:_TEXT_LIMIT])):
                return f"status {status}, whose error {member} tells of {found.group(0)[:60]!r}"
        return None
    if media_type in ("text/html", "application/xhtml+xml") and status in (403, 406, 409, 418, 500, 501, 505):
        return f"status {status} with an HTML page of an intermediary"
    return None
