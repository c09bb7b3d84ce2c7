"""How a target will be reached, for `--plan`: said before anything is sent, the name service not asked either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from conformance.contract.authority import PORTS, authority

if TYPE_CHECKING:
    from conformance.settings.options import Options
    from conformance.wire.reach.route import Route


def lines(options: Options, way: Route) -> Iterator[str]:
    """Address, proxy, TLS, protocol. `options`: with a URL."""
    parts = urlsplit(options.url or "")
    secure = parts.scheme == "https"
    host = parts.hostname or ""
    place = authority(host, parts.port or PORTS[parts.scheme])
    yield f"Address: {_address(place, way)}."
    yield f"Proxy: {_proxy(way)}."
    yield f"TLS: {_tls(options, host) if secure else 'none, the URL is http'}."
    yield f"Protocol: {' and then '.join(f'HTTP/{version}' for version in options.http)}{_agreed(options, secure)}."


def _address(place: str, way: Route) -> str:
    if way.unix_socket:
        return f"the Unix socket {way.unix_socket}, for {place} (--unix-socket)"
    if way.address:
        return f"{way.address}, for {place} (--resolve)"
    return f"{place}, which {'the proxy' if way.proxy else 'this machine'} looks up"


def _proxy(way: Route) -> str:
    if way.proxy is None:
        return f"none; {way.told.replace('was not used', 'is not used')}" if way.told else "none"
    login = ", with user and password" if way.proxy.has_credentials else ""
    return f"{way.proxy.url} ({way.proxy.origin}{login})"


def _tls(options: Options, host: str) -> str:
    if options.insecure:
        told = "the certificate is not verified (--insecure)"
    else:
        by = f"by {options.ca_bundle}" if options.ca_bundle else "by the usual authorities"
        told = f"the certificate is verified for {options.server_name or host} {by}"
    return f"{told}; {options.client_cert} is shown to the target" if options.client_cert else told


def _agreed(options: Options, secure: bool) -> str:
    if "2" not in options.http:
        return ""
    return ", agreed on in the handshake (ALPN)" if secure else ", by prior knowledge"
