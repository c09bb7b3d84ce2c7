"""Drives `httpx-sse` behind httpx, as its page shows it, with the rest as a hand-written client does it."""

from __future__ import annotations

import json
from typing import Any

import httpx
from driving import Job, Told, drive
from httpx_sse import connect_sse


class Refused(Exception):
    """What the server told."""

    def __init__(self, response: httpx.Response) -> None:
        error = json.loads(response.read())["error"]
        super().__init__(error["message"])
        self.status_code, self.code = response.status_code, error["code"]


def stream(job: Job) -> Told:
    """A stream, put together chunk by chunk."""
    content, finish = "", None
    calls: dict[Any, Told] = {}
    body = {name: job[name] for name in ("model", "messages", "max_tokens")} | {"stream": True}
    headers = {"Authorization": f"Bearer {job['token']}"}
    url = f"{job['base']}/chat/completions"
    with httpx.Client() as client, connect_sse(client, "POST", url, json=body, headers=headers) as source:
        if not source.response.is_success:
            raise Refused(source.response)
        for event in source.iter_sse():
            if event.data == "[DONE]":
                break
            for choice in json.loads(event.data)["choices"][:1]:
                delta = choice["delta"]
                content += delta.get("content") or ""
                for part in delta.get("tool_calls") or []:
                    call = calls.setdefault(part.get("index"), {"id": None, "name": "", "arguments": ""})
                    call["id"] = part.get("id") or call["id"]
                    call["name"] += part["function"].get("name") or ""
                    call["arguments"] += part["function"].get("arguments") or ""
                finish = choice.get("finish_reason") or finish
    return {"content": content, "finish": finish, "calls": list(calls.values())}


if __name__ == "__main__":
    drive("httpx-sse", {"httpx-sse": stream})
