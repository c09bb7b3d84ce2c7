"""What is asked again as it is recorded: a page, a token that passed before, a limit that says when it ends."""

from __future__ import annotations

from typing import Any

import pytest
from checks.asking import EXPECTED_REFUSAL, PAGE, WELL
from checks.exchanges import OPTIONS, answer, chat, denied, exchange, put, refused, sent, with_header

from conformance.watching import IN_A_ROW, Watch
from conformance.wire.exchange import Credential, Exchange


def page(body: Any = None, status: int = 200, **more: Any) -> Exchange:
    return exchange("a", sent("a") if body is None else body, answer(PAGE, status, "text/html"), **more)


def turned_away(body: Any = None) -> Exchange:
    return denied("a", Credential.OWN, body)


def watch(*seen: Exchange) -> Watch:
    made = Watch(OPTIONS, 1.0)
    for one in seen:
        made.ask_again(one)
    return made


@pytest.mark.parametrize("status", [200, 400, 403, 404, 422])
@pytest.mark.parametrize("body", [None, sent("a", stream=True), EXPECTED_REFUSAL])
def test_a_page_is_asked_again_whatever_its_status(status: int, body: Any) -> None:
    assert watch().ask_again(page(body, status)) is not None


def test_a_page_to_a_stranger_is_asked_again() -> None:
    assert watch().ask_again(page(credential=Credential.NONE)) is not None


def test_a_server_with_pages_of_its_own_is_not_asked_for_ever() -> None:
    pages = [page(EXPECTED_REFUSAL, 404)] * IN_A_ROW
    assert watch(*pages).ask_again(page(EXPECTED_REFUSAL, 404)) is None
    assert watch(*pages).ask_again(page()) is not None, "another kind of request"
    other = refused("b", EXPECTED_REFUSAL)
    assert watch(*pages, other).ask_again(page(EXPECTED_REFUSAL, 404)) is not None


@pytest.mark.parametrize("body", [None, EXPECTED_REFUSAL])
def test_a_refused_token_is_asked_again_once_it_passed(body: Any) -> None:
    assert watch(WELL).ask_again(turned_away(body)) is not None
    assert watch().ask_again(turned_away(body)) is None
    assert watch(page()).ask_again(turned_away(body)) is None, "a page is no answer"


def test_a_bad_token_is_not() -> None:
    assert watch(WELL).ask_again(denied("a")) is None
    assert watch(WELL).ask_again(denied("a", Credential.NEVER_ISSUED)) is None


def test_a_limit_is_asked_again_where_it_says_when_it_ends() -> None:
    limited = put(refused("a", sent("a"), 400), "/error/message", "This exceeds your quota.")
    assert watch().ask_again(limited) is None
    assert watch().ask_again(with_header(limited, "Retry-After", "3")) == 3.0


def test_what_is_refused_or_served_is_not_asked_again() -> None:
    for made in (chat("a"), refused("a", EXPECTED_REFUSAL), refused("a", sent("a"), 400)):
        assert watch(WELL).ask_again(made) is None
