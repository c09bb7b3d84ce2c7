"""How a recording reached its target, as words of a `curl` line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from conformance.transcript.excerpt import excerpt
from conformance.transcript.exchange import Transcript

LONGEST = 2000
"""Characters of a word."""


@dataclass(frozen=True, slots=True)
class Way:
    """What curl has to be told to go the same way; empty: nothing."""

    ca_bundle: str = ""
    client_cert: str = ""
    client_key: str = ""
    insecure: bool = False
    resolve: tuple[str, ...] = ()
    unix_socket: str = ""
    proxy: str = ""
    """URL of the proxy that the user named, without user and password."""
    proxy_login: bool = False
    """There were a user and a password, which only the variable holds."""
    directly: bool = False
    """The environment's proxies were not used."""
    http2: bool = False

    def words(self, *, secure: bool) -> Iterator[str]:
        """The words for a URL; `secure`: of https."""
        if secure:
            for name, value in (("--cacert", self.ca_bundle), ("--cert", self.client_cert), ("--key", self.client_key)):
                if value:
                    yield from (name, quoted(value))
            if self.insecure:
                yield "--insecure"
        for one in self.resolve:
            yield from ("--resolve", quoted(one))
        if self.unix_socket:
            yield from ("--unix-socket", quoted(self.unix_socket))
        if self.proxy:
            yield from ("--proxy", '"$KITEMESH_PROXY"' if self.proxy_login else quoted(self.proxy))
        elif self.directly:
            yield from ("--noproxy", "'*'")
        if self.http2:
            yield "--http2" if secure else "--http2-prior-knowledge"


DIRECT = Way()


def way_of(transcript: Transcript) -> Way:
    """How a recording reached its target, as far as it tells."""
    options = transcript.options
    reach = options.get("reach")
    reach = reach if isinstance(reach, dict) else {}

    def text(name: str) -> str:
        value = options.get(name)
        return value if isinstance(value, str) else ""

    resolve = options.get("resolve")
    named = reach.get("proxy_by") == "--proxy"
    proxy = reach.get("proxy")
    return Way(
        ca_bundle=text("ca_bundle"),
        client_cert=text("client_cert"),
        client_key=text("client_key"),
        insecure=options.get("insecure") is True,
        resolve=tuple(one for one in resolve if isinstance(one, str)) if isinstance(resolve, list) else (),
        unix_socket=text("unix_socket"),
        proxy=proxy if named and isinstance(proxy, str) else "",
        proxy_login=reach.get("proxy_login") is True,
        directly=isinstance(reach.get("told"), str) and not proxy,
        http2=reach.get("http") == "2",
    )


def quoted(text: str) -> str:
    """The text as one word of a POSIX shell, with what cannot be seen left visible but inert."""
    return shlex.quote(excerpt(text, LONGEST))
