"""Nobody waits for fine weather once nothing is sent any more."""

from __future__ import annotations

import asyncio

import pytest

from conformance.transcript.exchange import Credential, Ending, Exchange, Request, Response
from conformance.wire.weather import Down, Sky, WeatherWatch

REQUEST = Request("POST", "http://127.0.0.1:9/v1", (), b"{}", Credential.OWN)
SHED = Exchange("x", REQUEST, Response(503, (), b""), Ending.COMPLETE, 0.0, 0.1)
NO_WAY = Exchange("y", REQUEST, None, Ending.REFUSED, 0.0, 0.1, "ProxyError: it answers 503 x")


async def _foul() -> tuple[Exchange, Sky, float | None]:
    await asyncio.sleep(0)
    return SHED, Sky.FOUL, None


def _nobody(exchange: Exchange, words: str, began: bool) -> None: ...


def test_an_outage_holds_everybody_up_until_it_is_over() -> None:
    answers = iter([(SHED, Sky.FOUL, 0.0), (SHED, Sky.FINE, None)])

    async def ask() -> tuple[Exchange, Sky, float | None]:
        return next(answers)

    async def story() -> None:
        weather = WeatherWatch(ask, 1.0, _nobody)
        asked = asyncio.ensure_future(weather.behind(0.0, SHED))
        await asyncio.sleep(0.05)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(weather.fine(), 0.05)
        await asyncio.wait_for(weather.fine(), 5)
        assert await asked is False

    asyncio.run(story())


async def _by_proxy() -> tuple[Exchange, Sky, float | None]:
    await asyncio.sleep(0)
    return NO_WAY, Sky.FOUL, None


def test_a_proxy_that_lets_nothing_through_is_not_the_targets_outage() -> None:
    words: list[str] = []

    async def story() -> None:
        weather = WeatherWatch(_by_proxy, 0.1, lambda exchange, told, began: words.append(told))
        with pytest.raises(Down, match=r"^the proxy let nothing through for 0 s \(it answers 503 x\)$"):
            await weather.behind(asyncio.get_running_loop().time(), NO_WAY)

    asyncio.run(story())
    assert words[0] == "the proxy lets nothing through (it answers 503 x)"


def test_a_question_that_was_under_way_at_the_end_holds_nobody_up() -> None:
    async def story() -> None:
        weather = WeatherWatch(_foul, 0.1, _nobody)
        asked = asyncio.ensure_future(weather.behind(asyncio.get_running_loop().time(), SHED))
        weather.give_up()
        with pytest.raises(Down):
            await asked
        weather.doubt()
        await asyncio.wait_for(weather.fine(), 1)

    asyncio.run(story())
