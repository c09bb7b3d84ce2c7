"""Drives the official `openai` client for Python, as its page shows it."""

from __future__ import annotations

from typing import Any

from driving import Job, Told, drive
from openai import OpenAI

_ONE = OpenAI(api_key="none", base_url="http://127.0.0.1/")
"""Each client made anew reads all certificates of the machine; these share one pool of connections."""


def _client(job: Job) -> OpenAI:
    return _ONE.with_options(api_key=job["token"], base_url=job["base"])


def _asked(job: Job) -> Any:
    return {name: job[name] for name in ("model", "messages", "max_tokens")}


def _completion(made: Any) -> Told:
    choice = made.choices[0]
    calls = [
        {"id": call.id, "name": call.function.name, "arguments": call.function.arguments}
        for call in choice.message.tool_calls or []
    ]
    message = choice.message
    return {"role": message.role, "content": message.content, "finish": choice.finish_reason, "calls": calls}


def create(job: Job) -> Told:
    """A JSON answer."""
    return _completion(_client(job).chat.completions.create(**_asked(job)))


def stream(job: Job) -> Told:
    """A stream, put together as the client's own page shows it; fragments of calls are joined by their index."""
    content, finish = "", None
    calls: dict[Any, Told] = {}
    for chunk in _client(job).chat.completions.create(**_asked(job), stream=True):
        if not chunk.choices:
            continue
        choice = chunk.choices[0]
        content += choice.delta.content or ""
        for part in choice.delta.tool_calls or []:
            call = calls.setdefault(part.index, {"id": None, "name": "", "arguments": ""})
            call["id"] = part.id or call["id"]
            call["name"] += part.function.name or ""
            call["arguments"] += part.function.arguments or ""
        finish = choice.finish_reason or finish
    return {"content": content, "finish": finish, "calls": list(calls.values())}


def helper(job: Job) -> Told:
    """The helper that puts a stream together itself."""
    with _client(job).chat.completions.stream(**_asked(job)) as events:
        return _completion(events.get_final_completion())


if __name__ == "__main__":
    drive(
        "openai",
        {"openai-python-create": create, "openai-python-stream": stream, "openai-python-helper": helper},
    )
