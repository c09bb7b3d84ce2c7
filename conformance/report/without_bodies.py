"""What `--no-bodies` leaves of a run: everything but the content of requests and answers.

It is judged with its bodies first, then they are left out of all that is written and shown. Of a finding, its message,
what was expected and its place stay; of what was observed only a status with its media type, absence, null and
booleans, and of any other value its type and length. Header fields stay. A transcript without bodies can be read and
judged again, but nothing that needs them is exercised then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding
from conformance.judging.result import Result
from conformance.judging.verdict import Outcome, Verdict
from conformance.transcript.exchange import Exchange, Transcript

WORD = "withheld"
PROMPTS = ("approval_prompt", "expiring_prompt")
_STATUS = re.compile(r"status \d{3}( \([A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+\))?")
_KEPT = re.compile(r"absent|null|true|false|nothing|no answer|\d+ octets")
_QUOTING = re.compile(
    r"; what came begins with .*|(: )?(illegal|malformed|invalid)?[^:;]*\bb(ytearray\(b)?['\"].*", re.DOTALL
)
"""What the transport says of octets that are not HTTP quotes them."""


def result(whole: Result) -> Result:
    """The result with the content of requests and answers left out of all that is written and shown."""
    told_by = whole.options
    return replace(
        whole,
        options=replace(
            told_by,
            approval_prompt=told_by.approval_prompt and WORD,
            expiring_prompt=told_by.expiring_prompt and WORD,
        ),
        evidence=Evidence(transcript(whole.transcript)),
        verdict=verdict(whole.verdict),
        gate=replace(whole.gate, sentence=told(whole.gate.sentence, whole.verdict)),
        notes=tuple(map(words, whole.notes)),
    )


def options(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The options as they are written: no prompt but whether there was one."""
    kept = {key: WORD if key in PROMPTS and value is not None else value for key, value in recorded.items()}
    if isinstance(kept.get("stopped"), str):
        kept["stopped"] = words(kept["stopped"])
    if isinstance(kept.get("settled"), str):
        kept["settled"] = unquoted(kept["settled"])
    if isinstance(moved := kept.get("moved"), dict):
        kept["moved"] = {name: unquoted(words) if isinstance(words, str) else words for name, words in moved.items()}
    return kept


def transcript(whole: Transcript) -> Transcript:
    """The transcript without the content of its requests and answers."""
    return replace(whole, exchanges=tuple(map(_exchange, whole)), options=options(whole.options))


def verdict(whole: Verdict) -> Verdict:
    """The verdict without content in what was observed."""
    outcomes = tuple(map(_outcome, whole.outcomes))
    return replace(whole, outcomes=outcomes, sentence=told(whole.sentence, whole), trouble=unquoted(whole.trouble))


def told(sentence: str, whole: Verdict) -> str:
    """A verdict's or a gate's sentence; of a run in which nothing could be judged it quotes what came."""
    return unquoted(sentence) if whole.trouble and whole.trouble in sentence else words(sentence)


def words(text: str) -> str:
    """A sentence of ours without what it quotes of an answer that was not HTTP."""
    return _QUOTING.sub("", text)


def unquoted(text: str) -> str:
    """A sentence of `conformance.judging.preflight` without what it quotes of an answer."""
    return re.sub(r'"[^\n]*"', f'"{WORD}"', words(text))


def observed(text: str) -> str:
    """What stays of what was observed."""
    if _KEPT.fullmatch(text):
        return text
    if status := _STATUS.match(text):
        rest = len(text) - status.end()
        return f"{status[0]}; {WORD}: {rest} characters" if rest else status[0]
    try:
        return f"{_kind(json.loads(text))}, {WORD}"
    except (ValueError, RecursionError):
        return f"{WORD}: {len(text)} characters"


def _kind(value: Any) -> str:
    match value:
        case str():
            return f"a string of {len(value)} characters"
        case dict():
            return f"an object of {len(value)} members"
        case list():
            return f"an array of {len(value)} items"
    return "a number"


def _exchange(whole: Exchange) -> Exchange:
    response = whole.response
    if response is not None:
        response = replace(response, body=b"", pieces=None, redacted=(), decoded=False, body_known=False)
    request = replace(whole.request, body=None)
    head = whole.head if whole.head.startswith(b"HTTP/") else b""  # else it may be a body that has lost its head
    return replace(whole, request=request, response=response, error=words(whole.error), head=head)


def _outcome(whole: Outcome) -> Outcome:
    return replace(whole, findings=tuple(map(_finding, whole.findings)), reason=words(whole.reason))


def _finding(whole: Finding) -> Finding:
    return replace(whole, message=words(whole.message), observed=observed(whole.observed), span=None)
