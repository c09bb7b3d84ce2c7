"""Secrets out of what is recorded: every occurrence becomes the same number of `*` octets.

The length stays, so offsets, Content-Length and the recorded pieces stay true, and the place is kept as a mark, so that
auth.no-token-echo can be judged from a transcript which no longer holds the token.

A secret is looked for as it is and, from eight characters up, as it would look in JSON (escaped), in a URL
(percent-encoded, RFC 3986 section 2.1) and in base64 (RFC 4648), there also inside a longer text: base64 writes three
octets as four letters, so a token has three spellings, by its offset modulo 3, and only its outermost letters mix with
its neighbours' bits.

In a stream an occurrence may be cut anywhere. Let p be the earliest place from which all that has come so far is a
proper prefix of a pattern: before p everything is decided, from p on the octets are held back until more has come.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl, quote

from conformance.transcript.exchange import Headers, Held

ENCODED_FROM = 8
"""Characters from which the encoded forms of a secret are looked for: shorter ones would hit innocent text."""

_CREDENTIALS = frozenset({"authorization", "proxy-authorization"})
_COOKIES = frozenset({"cookie", "set-cookie"})
_KEY = re.compile(
    r"(?:.*[-_])?(?:api[-_]?key|subscription[-_]key|access[-_]?key|token|secret|password|passwd|credentials?"
    r"|signature|jwt)",
    re.IGNORECASE,
)
"""Names of header fields and of query parameters whose value is a secret: `x-goog-api-key`, `x-auth-token`."""
_QUERY_KEY = re.compile(rf"{_KEY.pattern}|(?:api)?key|auth|sig|sid|session(?:[-_]?id)?|code", re.IGNORECASE)
_TOKEN = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)*"  # a JSON Web Token (RFC 7519)
    r"|(?<![A-Za-z0-9])(?:sk|pk|rk|km|gh[opsu]|github_pat|xox[abp]|hf)[-_][\w-]{12,}"
    r"|(?<![A-Za-z0-9])(?:AIza|AKIA|ASIA)[\w-]{12,}"
)
"""Tokens that are known by their form, wherever they stand."""
_RANDOM = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{24,}(?![A-Za-z0-9])")
"""Part of a path, or a parameter, that is too long and too mixed for a name."""
_VISIBLE = re.compile(rb"[\x21-\x7e\x80-\xff]")
_AUTHORIZATION = re.compile(r"(\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]+)(.*)", re.DOTALL)
"""Scheme and credentials (RFC 9110, section 11.4)."""


class Redactor:
    """Replaces given secrets. Empty ones are ignored; the order does not matter."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        patterns: set[bytes] = set()
        for secret in secrets:
            patterns |= _forms(secret)
        self._patterns = tuple(sorted(patterns))
        self._prefixes = frozenset(pattern[:size] for pattern in patterns for size in range(1, len(pattern)))
        self._longest = max((len(pattern) for pattern in patterns), default=0)
        firsts = bytes(sorted({pattern[0] for pattern in patterns}))
        self._first = re.compile(b"[" + re.escape(firsts) + b"]") if firsts else None

    def headers(self, headers: Headers) -> tuple[Headers, tuple[str, ...]]:
        """The fields with their secrets replaced, and the names of those that held one (each once, as spelled)."""
        kept: list[tuple[str, str]] = []
        held: dict[str, None] = {}
        for name, value in headers:
            clean = self.octets(value.encode("latin-1")).decode("latin-1")
            if clean != value:
                held[name] = None
            kept.append((name, clean))
        return tuple(kept), tuple(held)

    @property
    def seeks(self) -> bool:
        """True where there is a secret to look for."""
        return bool(self._patterns)

    def held(self, url: str, headers: Headers, body: bytes) -> Held:
        """Where a request holds a secret, apart from `Authorization`."""
        _, names = self.headers(tuple(field for field in headers if field[0].lower() != "authorization"))
        marks = self.stream()
        marks.feed(body)
        marks.finish()
        return Held(self.text(url) != url, names, tuple(marks.marks))

    def text(self, text: str) -> str:
        """The text with its secrets replaced; the same number of UTF-8 octets."""
        return self.octets(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def octets(self, data: bytes) -> bytes:
        """The octets with their secrets replaced."""
        spans = self.occurrences(data)
        return mask(data, spans) if spans else data

    def occurrences(self, data: bytes) -> list[tuple[int, int]]:
        """Where secrets are: (start, end) of every occurrence, in order; they may overlap."""
        found: list[tuple[int, int]] = []
        for pattern in self._patterns:
            start = data.find(pattern)
            while start >= 0:
                found.append((start, start + len(pattern)))
                start = data.find(pattern, start + 1)
        found.sort()
        return found

    def undecided(self, data: bytes) -> int:
        """The earliest index from which all of `data` is a proper prefix of a pattern; its length where there is none.

        No more than the longest pattern less one octet is ever undecided.
        """
        if self._first is not None:
            for candidate in self._first.finditer(data, max(0, len(data) - self._longest + 1)):
                if data[candidate.start() :] in self._prefixes:
                    return candidate.start()
        return len(data)

    def stream(self) -> BodyRedactor:
        """A redactor for a body that comes in pieces."""
        return BodyRedactor(self)


class BodyRedactor:
    """Redacts one body as it arrives. What `feed` and `finish` gave, joined, is as long as what they were given."""

    def __init__(self, redactor: Redactor) -> None:
        self.marks: list[tuple[int, int]] = []
        """(offset, length) in the body of each occurrence, in order; complete after `finish`."""
        self._redactor = redactor
        self._held = b""
        self._offset = 0
        """Of `_held` in the body."""
        self._covered = 0
        """Up to here the body is known to belong to an occurrence that began before `_held`."""

    def feed(self, data: bytes) -> bytes:
        """Take the next octets; give those that are decided, which may be fewer or more than were given."""
        data = self._held + data
        return self._release(data, self._redactor.undecided(data))

    def finish(self) -> bytes:
        """Give what was held back: nothing more comes."""
        return self._release(self._held, len(self._held))

    def _release(self, data: bytes, decided: int) -> bytes:
        offset = self._offset
        spans = [span for span in self._redactor.occurrences(data) if span[0] < decided]
        for start, end in spans:
            self._mark(offset + start, offset + end)
        if self._covered > offset:
            spans.append((0, self._covered - offset))
        if spans:
            self._covered = max(self._covered, offset + max(end for _, end in spans))
        self._held = data[decided:]
        self._offset = offset + decided
        given = data[:decided]
        return mask(given, spans) if spans else given

    def _mark(self, start: int, end: int) -> None:
        if self.marks and start < sum(self.marks[-1]):
            first, length = self.marks[-1]
            self.marks[-1] = (first, max(length, end - first))
        else:
            self.marks.append((start, end - start))


def mask(data: bytes, spans: Iterable[tuple[int, int]]) -> bytes:
    """The octets with each span, as far as it lies in them, replaced by `*`."""
    masked = bytearray(data)
    for start, end in spans:
        end = min(end, len(data))
        masked[start:end] = b"*" * (end - start)
    return bytes(masked)


def mask_credentials(headers: Headers) -> Headers:
    """The fields without what they would let others do: credentials, API keys and cookies' values become `*`.

    The scheme of an Authorization field, the names of cookies and the attributes of Set-Cookie stay, so does each
    length. This needs no knowledge of the secrets, which is why it is the rule for transcripts from elsewhere.
    """
    return tuple((name, _TOKEN.sub(_stars, _mask_field(name.lower(), value))) for name, value in headers)


def mask_url(url: str) -> str:
    """The URL without what it would let others do: user information, parameters and parts of the path that are secrets.

    What the names of parameters tell, and what the form of a value tells; each length stays.
    """
    rest, hash_, fragment = url.partition("#")
    rest, question, query = rest.partition("?")
    rest = re.sub(r"(?<=//)[^/@]*(?=@)", _stars, rest)
    rest = _RANDOM.sub(_stars, _TOKEN.sub(_stars, rest))
    query = "&".join(_mask_parameter(pair) for pair in query.split("&"))
    return f"{rest}{question}{query}{hash_}{'*' * len(fragment)}"


def _mask_parameter(pair: str) -> str:
    name, equals, value = pair.partition("=")
    if _QUERY_KEY.fullmatch(name):
        return f"{name}{equals}{'*' * len(value)}"
    return name + equals + _RANDOM.sub(_stars, _TOKEN.sub(_stars, value))


def _stars(match: re.Match[str]) -> str:
    return "*" * len(match[0])


def mask_head(head: bytes) -> bytes:
    """The lines of a header section that cannot be read, too: what can be seen of such a field's value is masked.

    White space and control characters stay: they may be why it cannot be read.
    """
    masked: list[bytes] = []
    secret = False
    for line in re.findall(rb"[^\n]*\n|[^\n]+", head):
        name, colon, value = (b"", b"", line) if line[:1] in b" \t" and secret else line.partition(b":")
        if colon:
            secret = _is_secret(name.strip().lower().decode("latin-1"))
        masked.append(name + colon + (_VISIBLE.sub(b"*", value) if secret else value))
    return b"".join(masked)


def _is_secret(name: str) -> bool:
    """True for a header field, by its name in lower case, that holds a credential."""
    return name in _CREDENTIALS or name in _COOKIES or _KEY.fullmatch(name) is not None


def credentials(headers: Headers, url: str = "") -> list[str]:
    """The secrets in fields of credentials and API keys, without their scheme, and in a URL; empty ones left out."""
    found = [value for name, value in parse_qsl(url.partition("#")[0].partition("?")[2]) if _KEY.fullmatch(name)]
    for name, value in headers:
        if _KEY.fullmatch(name):
            found.append(value)
        elif name.lower() in _CREDENTIALS:
            match = _AUTHORIZATION.fullmatch(value)
            found.append(match[2] if match else "" if _lone_scheme(value) else value)
    return [value for value in found if value]


def _lone_scheme(value: str) -> bool:
    """True for a scheme with nothing after it; another word is a token that somebody sent without a scheme."""
    return value.strip().lower() in ("", "bearer", "basic")


def _mask_field(name: str, value: str) -> str:
    if name in _CREDENTIALS:
        match = _AUTHORIZATION.fullmatch(value)
        if match:
            return match[1] + "*" * len(match[2])
        return value if _lone_scheme(value) else "*" * len(value)
    if _KEY.fullmatch(name):
        return "*" * len(value)
    if name == "cookie":
        return ";".join(_mask_cookie(pair) for pair in value.split(";"))
    if name == "set-cookie":
        pair, semicolon, attributes = value.partition(";")
        return _mask_cookie(pair) + semicolon + attributes
    return value


def _mask_cookie(pair: str) -> str:
    name, equals, value = pair.partition("=")
    return name + equals + "*" * len(value) if equals else "*" * len(pair)


def _forms(secret: str) -> set[bytes]:
    """Every spelling of a secret that is looked for, none of them empty."""
    plain = secret.encode("utf-8", "surrogatepass")
    if len(secret) < ENCODED_FROM:
        return {plain} if plain else set()
    escaped = json.dumps(secret)[1:-1]
    quoted = [quote(plain, safe=safe) for safe in ("", "/")]
    texts = {escaped, escaped.replace("/", "\\/"), *quoted}
    texts |= {re.sub("%..", lambda code: code[0].lower(), text) for text in quoted}
    texts.add(re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda code: code[0].upper(), escaped))
    texts.add(json.dumps(secret, ensure_ascii=False)[1:-1])
    forms = {plain} | {text.encode("utf-8", "surrogatepass") for text in texts}
    for letters in _base64_forms(plain):
        forms |= {letters, letters.translate(bytes.maketrans(b"+/", b"-_"))}
    return forms


def _base64_forms(plain: bytes) -> Iterable[bytes]:
    for whole in (plain, b":" + plain, plain + b":"):
        yield base64.b64encode(whole).rstrip(b"=")
    for alignment in range(3):
        letters = base64.b64encode(b"\0" * alignment + plain)
        # A letter holds six bits: keep those whose bits are all the secret's own.
        first = -(-alignment * 8 // 6)
        yield letters[first : (alignment + len(plain)) * 8 // 6]
