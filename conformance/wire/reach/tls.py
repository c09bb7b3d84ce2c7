"""TLS to the target and to a proxy: what is trusted, what is shown, and what was agreed on."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import Any

import httpx

from conformance.settings import files
from conformance.settings.flags import CLIENT_KEY_PASSWORD
from conformance.settings.options import Options, UsageError

ALPN = {"1.1": "http/1.1", "2": "h2"}
"""Version of HTTP to its name in the handshake (RFC 7301)."""


def usual(version: str) -> ssl.SSLContext:
    """TLS for a version of HTTP (`1.1` or `2`) that trusts the usual authorities, whatever the environment says."""
    return _offering(httpx.create_ssl_context(verify=True, trust_env=False), version)


def to_target(options: Options, version: str) -> ssl.SSLContext:
    """How TLS is spoken to the target, for a version of HTTP. Raises UsageError where a file cannot be used."""
    if options.insecure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif options.ca_bundle:
        context = ssl.create_default_context(cafile=_bundle(options.ca_bundle))
    else:
        context = usual(version)
    if options.client_cert:
        _identify(context, options)
    return _offering(context, version)


def to_proxy(options: Options) -> ssl.SSLContext:
    """How TLS is spoken to a proxy: what is trusted of the target is trusted here too, beside the usual authorities."""
    context = usual("1.1")
    if options.ca_bundle:
        context.load_verify_locations(_bundle(options.ca_bundle))
    return context


def _offering(context: ssl.SSLContext, version: str) -> ssl.SSLContext:
    context.set_alpn_protocols([ALPN[version]])
    return context


def _bundle(path: str) -> str:
    """The path of a file of certificates that can be read."""
    found = str(files.named(path))
    try:
        ssl.create_default_context(cafile=found)
    except (OSError, ssl.SSLError):
        raise UsageError(f"The CA bundle {path!r} cannot be read; give a file of PEM certificates.") from None
    return found


def _identify(context: ssl.SSLContext, options: Options) -> None:
    """Show the client certificate to who asks for it."""
    certificate, key = options.client_cert or "", options.client_key
    for option, path in (("--client-cert", certificate), ("--client-key", key)):
        if path:
            try:
                files.read(files.named(path), 2**20)
            except files.Unusable as error:
                raise UsageError(f"The file {path!r} {error}; check {option}.") from None
    asked: list[bool] = []

    def password() -> str:
        # Always given: OpenSSL would ask for one at the terminal. Without one it gets what opens nothing.
        asked.append(True)
        return options.client_key_password or "\0"

    try:
        context.load_cert_chain(files.named(certificate), files.named(key) if key else None, password)
    except ssl.SSLError as error:
        held = repr(key or certificate)
        if asked:
            raise UsageError(_of_password(held, options.client_key_password)) from None
        if "MISMATCH" in str(error).upper():
            told = f"The key in {held} is not that of the certificate in {certificate!r}; give the right one."
        elif key is None:
            told = f"The file {certificate!r} must hold a certificate and its key in PEM; --client-key names another."
        else:
            told = f"A client certificate and its key must be PEM, but {certificate!r} or {key!r} is not; convert it."
        raise UsageError(told) from None


def _of_password(held: str, given: str | None) -> str:
    if given is None:
        return f"The key in {held} has a password: set {CLIENT_KEY_PASSWORD} to it."
    return f"The password in {CLIENT_KEY_PASSWORD} does not open the key in {held}; correct it."


def agreed(session: ssl.SSLObject) -> dict[str, Any]:
    """What a handshake settled, as a recording keeps it: the version of TLS, and whose certificate it is until when.

    Of a certificate that was not verified, nothing is read.
    """
    told: dict[str, Any] = {"version": session.version() or "", "alpn": session.selected_alpn_protocol() or ""}
    shown: Any = session.getpeercert() or {}
    if shown:
        told["subject"] = _name(shown.get("subject", ()))
        told["issuer"] = _name(shown.get("issuer", ()))
        told["names"] = [value for kind, value in shown.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
        ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC)
        told["expires"] = ends.isoformat().replace("+00:00", "Z")
    return told


def _name(parts: Any) -> str:
    """A distinguished name in one line, as `openssl` has it."""
    return ", ".join(f"{kind}={value}" for part in parts for kind, value in part)
