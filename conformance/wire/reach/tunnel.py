"""Through a proxy to a host: the handshakes of CONNECT (RFC 9110, section 9.3.6) and SOCKS5 (RFC 1928 and 1929)."""

from __future__ import annotations

import ipaddress

from conformance.contract.authority import authority
from conformance.transcript import framing
from conformance.transcript.excerpt import excerpt
from conformance.wire.reach.proxy import Proxy
from conformance.wire.transport import Transport

LONGEST_HEAD = 16 * 1024
"""Octets of the header section of a proxy's answer."""
_CONNECTED, _BY_NAME, _BY_IPV4, _BY_IPV6 = 0, 3, 1, 4
_NO_LOGIN, _LOGIN, _NONE_FITS = 0, 2, 255
_REPLIES = {
    1: "general failure",
    2: "connection not allowed",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "timed out",
    7: "command not supported",
    8: "address type not supported",
}
"""RFC 1928, section 6."""


class ProxyFailure(OSError):
    """A proxy does not let us through. The message says how, in words that hold no secret."""


async def through(transport: Transport, proxy: Proxy, host: str, port: int) -> None:
    """Have a proxy that is connected connect to the host. Raises ProxyFailure, and OSError where it breaks off."""
    if proxy.scheme == "socks5":
        await _socks(transport, proxy, host, port)
    else:
        await _connect(transport, proxy, host, port)


async def _connect(transport: Transport, proxy: Proxy, host: str, port: int) -> None:
    place = authority(host, port)
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if proxy.has_credentials:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    await transport.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    octets = b""
    while not octets.endswith(b"\r\n\r\n"):
        # One at a time: what follows a 2xx is the target's, and what follows a refusal is of no interest.
        octet = await transport.receive(1)
        octets += octet
        if not octet or len(octets) > LONGEST_HEAD or not octets.startswith(b"HTTP/"[: len(octets)]):
            raise ProxyFailure("it does not answer as an HTTP proxy does")
    head = framing.read_head(octets)
    if isinstance(head, framing.Malformed):
        raise ProxyFailure("it does not answer as an HTTP proxy does")
    if not 200 <= head.status < 300:
        raise ProxyFailure(f"it answers {head.status} {excerpt(head.reason.decode('latin-1'), 60)}".rstrip())


async def _socks(transport: Transport, proxy: Proxy, host: str, port: int) -> None:
    offered = [_NO_LOGIN, _LOGIN] if proxy.has_credentials else [_NO_LOGIN]
    await transport.send(bytes([5, len(offered), *offered]))
    version, method = await _exactly(transport, 2)
    if version != 5:
        raise ProxyFailure("it does not speak SOCKS5")
    if method == _NONE_FITS or method not in offered:
        raise ProxyFailure("it wants a login (SOCKS5)")
    if method == _LOGIN:
        user, password = proxy.user, proxy.password
        await transport.send(bytes([1, len(user)]) + user + bytes([len(password)]) + password)
        if (await _exactly(transport, 2))[1]:
            raise ProxyFailure("it refuses the login (SOCKS5)")
    await transport.send(b"\5\1\0" + _address(host) + port.to_bytes(2, "big"))
    version, reply, _, kind = await _exactly(transport, 4)
    if version != 5:
        raise ProxyFailure("it does not speak SOCKS5")
    if reply != _CONNECTED:
        raise ProxyFailure(f"it answers {reply} {_REPLIES.get(reply, 'unknown')} (SOCKS5)")
    length = {_BY_IPV4: 4, _BY_IPV6: 16}.get(kind) or (await _exactly(transport, 1))[0]
    await _exactly(transport, length + 2)


def _address(host: str) -> bytes:
    """The host as SOCKS5 has it; the proxy resolves a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("ascii")
        return bytes([_BY_NAME, len(name)]) + name
    return bytes([_BY_IPV4 if address.version == 4 else _BY_IPV6]) + address.packed


async def _exactly(transport: Transport, number: int) -> bytes:
    octets = b""
    while len(octets) < number:
        more = await transport.receive(number - len(octets))
        if not more:
            raise ProxyFailure("it closes the connection without an answer")
        octets += more
    return octets
