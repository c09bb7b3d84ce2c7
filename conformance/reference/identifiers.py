"""Fresh identifiers, each in the form that the documentation shows."""

from __future__ import annotations

import uuid


def fresh_uuid() -> str:
    """A UUID of version 4, for executions, approvals and calls."""
    return str(uuid.uuid4())


def fresh_answer_id() -> str:
    """The `id` of an answer."""
    return f"chatcmpl_{uuid.uuid4().hex}"


def fresh_request_id() -> str:
    """The `request_id` of a request that brought none."""
    return f"req_{uuid.uuid4().hex}"
