"""Answers that excuse: which status codes and words tell of a model, a quota or a proxy, and which do not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.contract.excuses import EXCUSING, excuse


def told(message: str, status: int = 400, **members: str) -> str | None:
    error = {
        "message": message,
        "type": "invalid_request_error",
        "code": "invalid_request",
        "request_id": "x",
        **members,
    }
    return excuse(status, "application/json", json.dumps({"error": error}).encode())


@pytest.mark.parametrize("status", [402, 408, 429, 451, 502, 503, 504, 520, 521, 523, 525, 527, 529])
def test_status_that_excuses(status: int) -> None:
    assert status in EXCUSING
    for media_type, body in (("application/json", b"{}"), ("text/html", b"<p>"), ("", b"")):
        assert excuse(status, media_type, body)


@pytest.mark.parametrize(
    "status", [200, 301, 400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 500, 501, 505, 511, 530]
)
def test_status_that_does_not(status: int) -> None:
    assert excuse(status, "application/json", b"{}") is None
    assert excuse(status, "", b"") is None


@pytest.mark.parametrize(
    "message",
    [
        "Rate limit reached for requests", "rate_limit_exceeded", "Too many requests",
        "You exceeded your current quota",
        "Insufficient credits", "Not enough credit to run this group", "Your account has insufficient balance",
        "Check your billing details", "The response was blocked by the content filter", "content_policy_violation",
        "Your prompt was flagged by our moderation system", "This exceeds the context length",
        "maximum context length is 8192 tokens", "context window exceeded", "The model is currently overloaded",
        "max_tokens is too large: this model supports at most 4096 completion tokens",
        "The selected model's maximum output is 8192 tokens", "max_tokens exceeds the limit of the chosen model",
        "The server is at capacity",
    ],
)  # fmt: skip
def test_words_that_excuse(message: str) -> None:
    assert told(message), message
    assert told("No.", 403, code=message)
    assert told("No.", 500, type=message)


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens must be at most 100000", "max_tokens must be between 1 and 4096", "model is required",
        "messages exceeds the maximum of 400 items", "messages: at most 400 items are allowed",
        "temperature must be at most 1", "model: must match group:<uuid>", "The model does not exist",
        "model not found", "unknown mode 'turbo'", "role must be one of user, assistant", "stream must be a boolean",
        "Internal server error", "content must be a string", "The context is invalid", "No filter was given",
        "request limit", "the limit is 100 messages", "credentials are invalid", "accredited callers only",
        "a moderator is no role", "max_completion_tokens: 200000 is too large", "Extra inputs are not permitted",
        "model and messages are required; messages allows at most 400 items", "", "x" * 10_000,
    ],
)  # fmt: skip
def test_words_that_do_not(message: str) -> None:
    assert told(message) is None, told(message)


@pytest.mark.parametrize(
    "message",
    [
        "The field model only accepts group:<uuid>",
        "The model field allows only strings of the form group:<uuid>",
        "The field `temperature` was flagged as invalid",
    ],
)
def test_words_about_the_field_model_do_not(message: str) -> None:
    assert told(message) is None


@pytest.mark.parametrize("status", [403, 406, 500, 501])
def test_page_of_an_intermediary(status: int) -> None:
    assert excuse(status, "text/html", b"<html>Access denied</html>")
    assert excuse(status, "text/plain", b"Access denied") is None


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_page_that_is_the_servers_own(status: int) -> None:
    assert excuse(status, "text/html", b"<html>quota</html>") is None


def test_words_outside_the_error_object_do_not_count() -> None:
    assert excuse(400, "application/json", b'{"detail": "rate limit"}') is None
    assert excuse(400, "application/json", b'{"error": "rate limit"}') is None
    assert excuse(400, "application/json", b'{"error": {"param": "quota"}}') is None
    assert excuse(200, "application/json", b'{"error": {"message": "quota"}}') is None


@given(st.integers(100, 599), st.sampled_from(["application/json", "text/html", ""]), st.binary(max_size=40))
def test_never_raises(status: int, media_type: str, body: bytes) -> None:
    reason = excuse(status, media_type, body)
    assert reason is None or reason
    for hostile in (b"[" * 100_000, b"9" * 5_000, b'{"error": {"message": "\\ud800 quota"}}'):
        excuse(status, media_type, hostile)
