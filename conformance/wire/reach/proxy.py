"""Which proxy the requests go through: the one that the user named, else the one of the environment, else none.

`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are read as other clients read them, in small letters first.
Loopback is never sent through a proxy. Over http a proxy reads every request, the token too: there it has to be named.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx

from conformance.contract.authority import PORTS, authority
from conformance.settings.options import UsageError, is_loopback

NAMED = "--proxy"
_PORTS = {**PORTS, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy, and who named it."""

    scheme: str
    """`http`, `https` (TLS to the proxy itself), or `socks5`."""
    host: str
    port: int
    origin: str
    """`--proxy`, or the variable that names it."""
    user: bytes = field(default=b"", repr=False)
    password: bytes = field(default=b"", repr=False)

    @property
    def url(self) -> str:
        """Its URL without credentials."""
        return f"{self.scheme}://{authority(self.host, self.port)}"

    @property
    def has_credentials(self) -> bool:
        """Whether there is a user or a password for it."""
        return bool(self.user or self.password)

    @property
    def authorization(self) -> str:
        """The value of Proxy-Authorization; empty: there are no credentials."""
        if not self.has_credentials:
            return ""
        return f"Basic {base64.b64encode(self.user + b':' + self.password).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Choice:
    """Whether there is a proxy, and why."""

    proxy: Proxy | None = None
    told: str = ""
    """`HTTPS_PROXY is set and was used`, or `… was not used, because …`; empty: nothing names a proxy."""


def parsed(url: str, origin: str) -> Proxy:
    """A proxy by its URL; without a scheme, http is meant, as other clients have it.

    Raises:
        UsageError: it is not the URL of a proxy; the sentence never repeats it, as it may hold a password.
    """
    said = f"{origin} does not name a proxy: give one such as http://proxy.example.com:3128 (or https://, socks5://)"
    try:
        given = httpx.Proxy(url.strip() if "://" in url else f"http://{url.strip()}")
    except (ValueError, httpx.InvalidURL):
        raise UsageError(f"{said}.") from None
    odd = given.url.query or given.url.path not in ("", "/") or re.search(r"\s", url.strip())
    if not given.url.host or odd or not 0 < (given.url.port or 1) < 2**16:
        raise UsageError(f"{said}.")
    user, password = given.raw_auth or (b"", b"")
    scheme = given.url.scheme.removesuffix("h")
    if scheme == "socks5" and max(len(user), len(password)) > 255:
        raise UsageError(f"{origin} has a user or password of more than 255 octets, which SOCKS5 cannot carry.")
    port = given.url.port or _PORTS[given.url.scheme]
    return Proxy(scheme, given.url.raw_host.decode("ascii"), port, origin, user, password)


def choose(
    base: httpx.URL, named: str | None, environ: Mapping[str, str], *, of_environment: bool, directly: str = ""
) -> Choice:
    """The proxy for a base URL.

    Args:
        base: the target's.
        named: the URL that the user gave; None: none.
        environ: the environment.
        of_environment: whether its variables count (`--no-proxy` says no).
        directly: the option that says by itself where to connect to, which no proxy can do; empty: none.

    Raises:
        UsageError: the URL of the proxy is wrong, or it would read the token without having been named.
    """
    variable = _variable(base.scheme, environ)
    name = NAMED if named else variable
    if not name:
        return Choice()
    set_ = f"{name} is set and was not used, because"
    if is_loopback(base.host):
        return Choice(told=f"{set_} loopback is never sent through a proxy")
    if not named and not of_environment:
        return Choice(told=f"{set_} of --no-proxy")
    if not named and directly:
        return Choice(told=f"{set_} {directly} says where to connect to")
    if not named and (entry := _excepted(base, environ)):
        return Choice(told=f"{set_} {entry}")
    proxy = parsed(named or environ[name], name)
    if not named and base.scheme == "http":
        raise UsageError(
            f"{name} names a proxy that would read the token, since the URL is http: name that proxy by --proxy if it "
            "may, or connect directly with --no-proxy."
        )
    return Choice(proxy, f"{name} is set and was used")


def _variable(scheme: str, environ: Mapping[str, str]) -> str:
    names = (f"{scheme}_proxy", "all_proxy")
    return next((one for name in names for one in (name, name.upper()) if environ.get(one, "").strip()), "")


def _excepted(base: httpx.URL, environ: Mapping[str, str]) -> str:
    """The words for the entry of NO_PROXY that holds for the URL; empty: none does."""
    variable = next((one for one in ("no_proxy", "NO_PROXY") if environ.get(one, "").strip()), "")
    port = base.port or PORTS[base.scheme]
    for entry in environ.get(variable, "").replace(",", " ").split() if variable else ():
        if _names(entry.lower(), base.host.lower(), port):
            return f"{variable} names {'every host' if entry == '*' else entry}"
    return ""


def _names(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY holds for a host: a name, with what ends in it; an address or a network; all."""
    if entry == "*":
        return True
    for name, only in _readings(entry):
        if only not in ("", str(port)):
            continue
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            suffix = name.removeprefix("*").lstrip(".")
            if suffix and (host == suffix or host.endswith(f".{suffix}")):
                return True
            continue
        try:
            if address in ipaddress.ip_network(name.strip("[]"), strict=False):
                return True
        except ValueError:
            continue
    return False


def _readings(entry: str) -> Iterator[tuple[str, str]]:
    """Host and port (empty: any) that an entry may mean."""
    yield entry, ""
    host, colon, port = entry.rpartition(":")
    if colon and port.isdigit():
        yield host, port
