"""Answers that excuse: which status codes and words tell of a model, a quota or a proxy, and which do not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.contract.excuses import EXCUSING, excuse, names_the_model


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


OF_PROVIDERS = (
    # the prompt's length, window or number of tokens
    "The total length of all messages is too long",
    "prompt is too long: 205000 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length",
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
    "The input token count (1500000) exceeds the maximum number of tokens allowed (1048576).",
    "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 8000.",
    "the request exceeds the available context size, try increasing it",
    "Input is too long for requested model.",
    "Too many input tokens. Max input tokens: 8000, request input token count: 8126",
    "The decoder prompt (length 5000) is longer than the maximum model length of 4096. Reduce the prompt.",
    "`inputs` tokens + `max_new_tokens` must be <= 2048. Given: 1000 `inputs` tokens and 1500 `max_new_tokens`",
    "Please reduce the length of the messages or completion.",
    "Request body too large for gpt-4o model. Max size: 8000 tokens.",
    "Range of input length should be [1, 30720]",
    "The message you submitted was too long, please reload the conversation.",
    "This conversation is too long to continue.",
    # what the model can do
    "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
    "Unsupported parameter: 'max_tokens' is not supported with this model.",
    "This model doesn’t support the system role.",
    "This model does not support image inputs",
    "The model `gemma-2b` does not support system messages",
    "Developer instruction is not enabled for models/gemma-3-27b-it",
    "max_tokens is too large: 200000. This model supports at most 4096 completion tokens",
    "too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model",
    "The maximum tokens you requested exceeds the model limit of 8192.",
    "This group only supports a temperature of 1.",
    "Too many messages for the selected model",
    # rates, quotas, credits, filters
    "Request too large for model `small-8b` on tokens per minute (TPM): Limit 6000, Requested 10000",
    "ThrottlingException", "Budget has been exceeded! Current cost: 1.02, max budget: 1.0", "RESOURCE_EXHAUSTED",
    "Your credit balance is too low to access the API.", "Too many concurrent requests",
    "Too many failed login attempts, try again in a minute", "You have reached your usage limit",
    "Output blocked by content filtering policy", "Content Exists Risk", "data_inspection_failed",
    "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
    "Input data may contain inappropriate content.", "Blocked by a guardrail",
    # in French
    "Quota dépassé", "Limite de débit atteinte", "Trop de requêtes, réessayez plus tard", "Crédits insuffisants",
    "Solde insuffisant", "Bloqué par le filtre de contenu", "Votre message a été signalé par la modération",
    "La longueur totale des messages est trop grande", "Le prompt est trop long", "L’invite est trop longue",
    "La requête dépasse la fenêtre de contexte", "La longueur maximale de contexte est de 8192 jetons",
    "Le nombre de jetons de la conversation dépasse 8192", "Le service est surchargé",
    "Ce modèle ne prend pas en charge le rôle system", "Le rôle system n’est pas pris en charge par ce modèle",
    "Le nombre de jetons demandé dépasse la limite de sortie de ce modèle (8192).",
)  # fmt: skip
"""What providers of models say, as their users report it."""

OF_NO_MODEL = (
    "`max_tokens` must be at most 4096", "max_tokens: must be at most 4096 tokens", "field model is required",
    "messages: too long (max 100)", "messages: List should have at most 100 items after validation, not 500",
    "The length of messages must be at most 400", "content must be a string", "unsupported role 'system'",
    "System role not supported", "Only user and assistant roles are supported!",
    "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
    "temperature: Input should be less than or equal to 1", "model: String should have at most 20 characters",
    "model must have at most 20 characters", "The model must not exceed 20 characters",
    "model='group:x' exceeds the maximum length", "The model `x` does not exist or you do not have access to it.",
    "This model is not known", "1 validation error for ChatCompletionRequest", "The field `model` is not supported",
    "The data model validation failed: too many fields", "role: 'system' is not supported",
    "stream is not supported", "This endpoint does not support metadata", "metadata.mode 'orch' is not allowed",
    "This request is not supported.", "There is no such group.", "The group must match group:<uuid>",
    "A message is too short", "Not Found", "Forbidden",
    "Le champ model est requis", "Le modèle n’existe pas", "Modèle inconnu", "Le champ « modèle » est invalide",
    "Le modèle doit être de la forme group:<uuid>", "Le champ « messages » doit contenir au plus 100 éléments",
    "La température doit être comprise entre 0 et 1", "Rôle « system » non pris en charge",
)  # fmt: skip
"""Refusals of a valid request that tell of no model, quota, filter or length of the prompt."""


@pytest.mark.parametrize("message", OF_PROVIDERS)
def test_words_of_providers_excuse(message: str) -> None:
    assert told(message), message
    assert told(message.upper(), 422), message


@pytest.mark.parametrize("message", OF_NO_MODEL)
def test_a_refusal_that_names_none_of_them_does_not_excuse(message: str) -> None:
    assert told(message) is None, told(message)


@pytest.mark.parametrize("message", [m for m in OF_NO_MODEL if not m.startswith(("The model `", "This", "Le mod"))])
def test_a_limit_that_names_no_model_is_none_of_the_model(message: str) -> None:
    assert names_the_model({"error": {"message": message}}) is None


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
