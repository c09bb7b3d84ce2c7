"""Drives `langchain-openai`."""

from __future__ import annotations

from typing import Any

from driving import Job, Told, drive
from langchain_openai import ChatOpenAI


def _model(job: Job) -> Any:
    asked = {"model": job["model"], "max_tokens": job["max_tokens"]}
    return ChatOpenAI(**asked, api_key=job["token"], base_url=job["base"])


def _told(message: Any) -> Told:
    calls = [{"id": call["id"], "name": call["name"], "arguments": call["args"]} for call in message.tool_calls]
    return {"content": message.content, "finish": message.response_metadata.get("finish_reason"), "calls": calls}


def invoke(job: Job) -> Told:
    """A JSON answer."""
    return _told(_model(job).invoke(job["messages"]))


def stream(job: Job) -> Told:
    """A stream, whose pieces are added as its page shows it."""
    whole = None
    for piece in _model(job).stream(job["messages"]):
        whole = piece if whole is None else whole + piece
    return {"content": "", "finish": None, "calls": []} if whole is None else _told(whole)


if __name__ == "__main__":
    drive("langchain-openai", {"langchain-invoke": invoke, "langchain-stream": stream})
