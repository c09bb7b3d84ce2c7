"""The way to the target: chosen from the options and the environment before anything is sent, then opened."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from conformance.contract.authority import PORTS
from conformance.settings.options import Options, UsageError, addresses, check_token
from conformance.wire.reach import proxy as proxies
from conformance.wire.reach import tls
from conformance.wire.reach.dial import dial, dial_unix
from conformance.wire.reach.proxy import Proxy
from conformance.wire.reach.tunnel import ProxyFailure, through
from conformance.wire.transport import Plain, Secured, Transport


@dataclass(frozen=True, slots=True)
class Opened:
    """What carries octets to the target, as yet without the target's own TLS."""

    transport: Transport
    server_ip: str = ""
    """The target's address; empty where a proxy or a Unix socket is at the other end."""


@dataclass(frozen=True, slots=True)
class Route:
    """How the target is reached. Without arguments: directly, trusting the usual authorities."""

    context: ssl.SSLContext | None = field(default=None, repr=False)
    """For TLS to the target; None: the usual authorities are trusted."""
    http: str = "1.1"
    """The version of HTTP that is spoken, `1.1` or `2`."""
    server_name: str = ""
    """The name that the target has to prove and is asked for; empty: the host of the URL."""
    address: str = ""
    """To connect to instead of the host of the URL."""
    unix_socket: str = ""
    """To connect to instead of any host."""
    proxy: Proxy | None = None
    proxy_context: ssl.SSLContext | None = field(default=None, repr=False)
    told: str = ""
    """Whether a proxy that something names is used, and why not."""

    def tunnels(self, *, secure: bool) -> bool:
        """Whether the proxy only passes octets on; else it is sent each request itself (RFC 9112, section 3.2.2)."""
        return self.proxy is not None and (secure or self.http == "2" or self.proxy.scheme == "socks5")

    def secrets(self) -> list[str]:
        """What must not be kept, however it comes back. A password that is a word of some text cannot be masked."""
        if self.proxy is None or not self.proxy.has_credentials:
            return []
        found = [self.proxy.authorization.removeprefix("Basic ")]
        with suppress(UsageError):
            password = self.proxy.password.decode("utf-8", "replace")
            check_token(password, "the password")
            found.append(password)
        return found

    def recorded(self) -> dict[str, Any]:
        """What a recording keeps of it: JSON values without secrets."""
        kept: dict[str, Any] = {"http": self.http}
        if self.proxy is not None:
            kept["proxy"] = self.proxy.url
            kept["proxy_by"] = self.proxy.origin
            kept["proxy_login"] = self.proxy.has_credentials
        if self.told:
            kept["told"] = self.told
        for name in ("server_name", "address", "unix_socket"):
            if value := getattr(self, name):
                kept[name] = value
        return kept

    async def open(self, host: str, port: int, seconds: float, *, secure: bool, narrow: bool) -> Opened:
        """Connect to a host and port, or to what stands for them.

        Args:
            host: name or address, as the URL has it.
            port: of the URL.
            seconds: for a connection; with a proxy also for TLS to it, and for its answer.
            secure: whether TLS will follow.
            narrow: whether the kernel is to buffer little of what comes.

        Raises:
            OSError: there is no connection; TimeoutError where it took too long, ProxyFailure where it is the proxy's.
            UnicodeError: the host cannot be looked up.
        """
        if self.unix_socket:
            async with asyncio.timeout(seconds):
                return Opened(Plain(await dial_unix(self.unix_socket, narrow=narrow)))
        if self.proxy is not None:
            return Opened(await self._through(self.proxy, host, port, seconds, secure=secure, narrow=narrow))
        async with asyncio.timeout(seconds):
            sock = await dial(self.address or host, port, narrow=narrow)
        return Opened(Plain(sock), _peer(sock))

    async def _through(
        self, proxy: Proxy, host: str, port: int, seconds: float, *, secure: bool, narrow: bool
    ) -> Transport:
        try:
            async with asyncio.timeout(seconds):
                transport: Transport = Plain(await dial(proxy.host, proxy.port, narrow=narrow))
        except TimeoutError:
            raise ProxyFailure(f"no connection to it within {seconds:g} s") from None
        except (OSError, UnicodeError) as error:
            raise ProxyFailure(f"it cannot be connected to: {error}") from error
        try:
            async with asyncio.timeout(seconds):
                if self.proxy_context is not None:
                    transport = await _secured(transport, self.proxy_context, proxy.host)
                if self.tunnels(secure=secure):
                    await through(transport, proxy, host, port)
        except BaseException as error:
            transport.close()
            if isinstance(error, TimeoutError):
                raise ProxyFailure(f"no answer from it within {seconds:g} s") from None
            if isinstance(error, OSError) and not isinstance(error, ProxyFailure):
                raise ProxyFailure(f"the connection to it broke: {error}") from error
            raise
        return transport


async def _secured(transport: Transport, context: ssl.SSLContext, name: str) -> Transport:
    secured = Secured(transport, context, name)
    try:
        await secured.handshake()
    except OSError as error:
        raise ProxyFailure(f"TLS with it failed: {error}") from error
    return secured


DIRECT = Route()
"""By the host's own address, with nothing in between."""


def _peer(sock: socket.socket) -> str:
    with suppress(OSError):
        return str(sock.getpeername()[0])
    return ""


def of(options: Options, environ: Mapping[str, str], version: str = "") -> Route:
    """The way to the target of checked options.

    Args:
        options: with a URL; without one, the embedded reference server is meant.
        environ: names proxies.
        version: of HTTP; empty: the first that the options name.

    Raises:
        UsageError: a file cannot be read, or a proxy is wrong; nothing was sent.
    """
    if options.url is None or options.embedded:
        return DIRECT
    base = httpx.URL(options.url)
    files = options.ca_bundle or options.client_cert
    version = version or options.http[0]
    address = addresses(options.resolve).get((base.host.lower(), base.port or PORTS[base.scheme]), "")
    directly = "--unix-socket" if options.unix_socket else "--resolve" if address else ""
    choice = proxies.choose(base, options.proxy, environ, of_environment=options.environment_proxy, directly=directly)
    if options.proxy and directly and choice.proxy is not None:
        raise UsageError(
            f"--proxy and {directly} contradict each other, since a proxy connects by itself; leave one of them out."
        )
    return Route(
        # Of an http URL nothing is verified, but a file that cannot be read is told all the same.
        context=tls.to_target(options, version) if base.scheme == "https" or files else None,
        http=version,
        server_name=options.server_name or "",
        address=address,
        unix_socket=options.unix_socket or "",
        proxy=choice.proxy,
        proxy_context=tls.to_proxy(options) if choice.proxy is not None and choice.proxy.scheme == "https" else None,
        told=choice.told,
    )
