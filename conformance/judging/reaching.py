"""How a target was reached, as a recording tells it: in one line for a person, and what about it is worth a note.

Pure: it reads the options of a transcript (`Route.recorded`, `tls.agreed`), which may come from anybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from conformance.transcript.excerpt import excerpt

ENDS_SOON = 14
"""Days before its end from which a certificate is remarked on."""
_KEPT = ("http", "proxy", "address", "unix_socket", "server_name", "told")
_DAY = 86_400.0
_OF_HTTP1 = (
    "Spoken was HTTP/2, in which http.complete is judged by how streams end; what only HTTP/1.1 can show (framing by "
    "Content-Length and chunks, octets after an end on a kept connection) is not exercised: --http 1.1 does."
)


def facts(options: Mapping[str, Any]) -> dict[str, Any]:
    """How it was reached, for results.json: JSON values without secrets; empty where the recording does not tell."""
    reach = _table(options, "reach")
    kept: dict[str, Any] = {name: reach[name] for name in _KEPT if _text(reach, name)}
    if tls := _table(options, "tls"):
        kept["tls"] = {name: tls[name] for name in ("version", "subject", "issuer", "expires") if _text(tls, name)}
        kept["tls"]["verified"] = options.get("insecure") is not True
    return kept


def line(options: Mapping[str, Any]) -> str:
    """The same for a person; empty where the recording does not tell."""
    found = facts(options)
    if not found:
        return ""
    if socket := found.get("unix_socket"):
        way = f"by the Unix socket {socket}"
    elif proxy := found.get("proxy"):
        way = f"through the proxy {proxy}"
    else:
        way = f"at {found['address']}" if "address" in found else "directly"
    parts = [way, f"HTTP/{found.get('http', '1.1')}"]
    if tls := found.get("tls"):
        parts.append(tls.get("version", "TLS"))
        if "subject" in tls:
            parts.append(f"certificate of {tls['subject']} until {tls.get('expires', 'a time that is not told')}")
    return excerpt(", ".join(parts), 300)


def notes(options: Mapping[str, Any], at: float) -> Iterator[str]:
    """What is worth a note. `at`: when the recording began, in Unix seconds."""
    reach, tls = _table(options, "reach"), _table(options, "tls")
    if told := _text(reach, "told"):
        way = f": requests went through {_text(reach, 'proxy')}" if _text(reach, "proxy") else ""
        yield excerpt(f"{told}{way}", 400) + "."
    if options.get("insecure") is True and tls:
        yield "The target's certificate was not verified (--insecure)."
    if _text(reach, "http") == "2":
        yield _OF_HTTP1
    ends = _moment(_text(tls, "expires"))
    if ends is not None and (left := (ends - at) / _DAY) < ENDS_SOON:
        subject = excerpt(_text(tls, "subject"), 120)
        days = f"in {left:.0f} day{'' if round(left) == 1 else 's'}" if left >= 1 else "within a day"
        yield f"The target's certificate ({subject}) ends {days}, on {_text(tls, 'expires')[:10]}: renew it."


def proxy_again(options: Mapping[str, Any]) -> str:
    """What to do where the proxy let nothing through in mid-run."""
    reach = _table(options, "reach")
    proxy, by = (excerpt(_text(reach, name), 200) for name in ("proxy", "proxy_by"))
    return f"start {proxy or 'it'} again{f', or correct {by}' if by else ''}"


def _table(options: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = options.get(name)
    return found if isinstance(found, dict) else {}


def _text(table: Mapping[str, Any], name: str) -> str:
    found = table.get(name)
    return found if isinstance(found, str) else ""


def _moment(text: str) -> float | None:
    """Unix seconds; None where it is not a time."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp() if text else None
    except (ValueError, OverflowError):
        return None
