"""What a client told, held against what its user ought to get: ok, raises, wrong or hangs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from conformance.proving.clients import HANGS, RAISES, WRONG

from .scenarios import CODE, REASON, Scenario

OK = "ok"
OUTCOMES = (OK, RAISES, HANGS, WRONG)
"""From good to bad: a user who is told may act, one who waits may leave, one who is deceived can do neither."""
LONGEST = 90
"""Characters of what happened."""
_MISSING = object()
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""The reference server's form of it, in either case."""


class Outcome(NamedTuple):
    """What a user of a client meets in one scenario."""

    outcome: str
    what: str = ""
    """In a few words; empty for ok."""


def judged(scenario: Scenario, told: Mapping[str, Any]) -> Outcome:
    """The outcome of one scenario. `told`: what a driver wrote (`drivers/driving.py`)."""
    if told.get("hangs"):
        return Outcome(HANGS)
    error = told.get("raised")
    if scenario.prompt is None:
        return _refused(error)
    if error is not None:
        return Outcome(RAISES, short(_line(error)))
    wrong = next(_wrong(scenario, told), None)
    return Outcome(OK) if wrong is None else Outcome(WRONG, short(wrong))


def worst(outcomes: Iterable[str]) -> str:
    """The worst of them; ok where there is none."""
    return max(outcomes, key=OUTCOMES.index, default=OK)


def short(text: str, most: int = LONGEST) -> str:
    """So much of a text as the table holds, without the address of the machine."""
    text = re.sub(r"http://(?:127\.0\.0\.1|localhost)(?::\d+)?", "http://server", text)
    return text if len(text) <= most else text[: most - 1] + "…"


def _line(error: Mapping[str, Any]) -> str:
    return f"{error['type']}: {error['line']}" if error["line"] else str(error["type"])


def _refused(error: Mapping[str, Any] | None) -> Outcome:
    if error is None:
        return Outcome(WRONG, "the refusal is taken for an answer")
    if error["code"] == CODE and REASON in error["line"]:
        return Outcome(OK)
    if REASON in error["line"]:
        return Outcome(WRONG, short(f"the error's code is {error['code']!r} instead of {CODE!r}"))
    return Outcome(RAISES, f"{short(_line(error))} (without the server's reason)")


def _wrong(scenario: Scenario, told: Mapping[str, Any]) -> Iterator[str]:
    if told.get("role", "assistant") != "assistant":
        yield f"the role is {told['role']!r}"
    content = told.get("content") or ""
    if content != scenario.content:
        yield _content(content, scenario.content)
    calls = told["calls"]
    if len(calls) != len(scenario.calls):
        yield f"{len(calls)} tool calls instead of {len(scenario.calls)}"
    for number, (call, (name, arguments)) in enumerate(zip(calls, scenario.calls, strict=False)):
        if call.get("name") != name:
            yield f"tool call {number} is named {call['name']!r} instead of {name!r}"
        if (given := _arguments(call.get("arguments"))) is _MISSING:
            yield f"the arguments of tool call {number} are not JSON: {call['arguments']!r}"
        elif given != arguments:
            yield f"the arguments of tool call {number} are {given!r}"
    ids = [call.get("id") for call in calls]
    if not all(isinstance(id_, str) and id_ for id_ in ids):
        yield "a tool call has no id"
    elif not all(_UUID.fullmatch(id_) for id_ in ids):
        yield "a tool call has an id that the server never gave"
    elif len(set(ids)) != len(ids):
        yield "tool calls share an id"
    if told.get("finish") != scenario.finish:
        yield f"the finish reason is {told['finish']!r} instead of {scenario.finish!r}"


def _content(got: str, wanted: str) -> str:
    if not got:
        return "the content is lost"
    if not wanted:
        return f"there is content: {got!r}"
    if len(got) >= 2 * len(wanted):
        return f"the content has {len(got)} characters instead of {len(wanted)}"
    same = next((at for at, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b), min(len(got), len(wanted)))
    if same == len(got):
        return f"the content is cut after {same} of {len(wanted)} characters"
    return f"the content is altered from character {same} on: {got[same : same + 8]!a}"


def _arguments(sent: Any) -> object:
    """Arguments as an object; a client may have read their JSON text already."""
    if not isinstance(sent, str):
        return sent
    try:
        return json.loads(sent)
    except ValueError:
        return _MISSING
