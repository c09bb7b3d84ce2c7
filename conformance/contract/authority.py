"""Host and port, as URLs and requests write them (RFC 3986, section 3.2)."""

from __future__ import annotations

PORTS = {"http": 80, "https": 443}
"""Scheme to the port that its URLs need not name (RFC 9110, section 4.2)."""


def authority(host: str, port: int) -> str:
    """`host:port`. `host`: an IPv6 address without its brackets, which it gets here."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
