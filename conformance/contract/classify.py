"""What a request deserves, read off the request itself.

`classify` takes a recorded request (method, path, headers, octets, whose token) and says whether a conforming server
must accept it, must refuse it (and which requirement says so), must answer 401, or may do as it likes (*open*, the
section "Left open by the documentation" of the contract). Checks rely on this and not on what a probe meant, so that a
transcript made by another client is judged alike.

Strategy. The body is parsed by a strict JSON reader that also notes what JSON leaves open (duplicate keys, NaN,
surrogates, huge numbers, depth). A body that some reader could take otherwise is open. A readable object is held
against the request schema; what a server may take although it breaks the schema is taken out first. One breach or more:
to be refused, by the requirement of the most fundamental breach. None: to be accepted, unless something in it is left
open. What the schema says of all that (`x-requirement`, `x-open`, …) is read off it (`contract.schema.shape`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache, lru_cache
from itertools import accumulate
from typing import Any

from conformance.contract import catalogue
from conformance.contract.schema.openness import Openness
from conformance.contract.schema.operators import Schema
from conformance.contract.schema.shape import CHAT as CHAT  # the endpoints have their names here
from conformance.contract.schema.shape import RESUME as RESUME
from conformance.contract.schema.shape import Endpoint, Shape, documented
from conformance.contract.schema.validator import SchemaError

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
MODES = frozenset(documented().documents[CHAT]["properties"]["metadata"]["properties"]["mode"]["enum"])

LONG_REQUEST_ID = 64
"""Characters; the documentation names no limit, so a longer one may be refused."""
LARGE_BODY = 262_144
"""Octets; above it a server may refuse for size alone."""
DEEP = 64
"""Levels of nesting; the documented shapes need 6."""


class Due(StrEnum):
    """What a conforming server does with a request."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    AUTHENTICATE = "authenticate"
    """401."""
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A body read as JSON."""

    value: Any = None
    problem: str = ""
    """Why it is not JSON at all; empty where it is."""
    oddities: frozenset[str] = frozenset()
    """What strict readers differ on: duplicate-keys, nan, surrogate, nul, huge-number, depth, bom, encoding."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, understood."""

    due: Due
    requirement: str = ""
    """Which requirement says so; empty where the matter is open."""
    reason: str = ""
    endpoint: str = ""
    """`/chat/completions`, `/chat/resume`, or empty."""
    parsed: Parsed = field(default_factory=Parsed)
    stream: bool = False
    """True where the body asks for an event stream."""
    edge: bool = False
    """True where robust.json-edges is the one that judges the answer."""
    pointer: str = ""
    """JSON Pointer of the member of the body that breaks the schema; empty where none does, or the body as a whole."""

    @property
    def body(self) -> Mapping[str, Any]:
        """The body where it is an object, else an empty mapping."""
        return self.parsed.value if isinstance(self.parsed.value, dict) else {}

    @property
    def model(self) -> str | None:
        """The model asked for, where it is a string."""
        model = self.body.get("model")
        return model if isinstance(model, str) else None

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata, where they are an object."""
        metadata = self.body.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def request_id(self) -> str | None:
        """`metadata.request_id` where it is a string."""
        request_id = self.metadata.get("request_id")
        return request_id if isinstance(request_id, str) else None

    @property
    def resume(self) -> bool:
        """True for a request to continue after an approval."""
        return self.endpoint == RESUME

    @property
    def prompt(self) -> str:
        """The text of the last user message; empty where there is none."""
        messages = self.body.get("messages")
        for message in reversed(messages if isinstance(messages, list) else []):
            if isinstance(message, dict) and message.get("role") == "user":
                return text_of(message.get("content"))
        return ""


def text_of(content: Any) -> str:
    """The text of a message's content: the string itself, or its parts' texts joined."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(p["text"] for p in content if isinstance(p, dict) and isinstance(p.get("text"), str))
    return ""


def endpoint_of(path: str) -> str:
    """The endpoint that a URL's path ends with, else an empty string."""
    path = path.split("?", 1)[0].rstrip("/")
    return next((endpoint for endpoint in (CHAT, RESUME) if path.endswith(endpoint)), "")


def classify(
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes | None,
    credential: str = "own",
    *,
    model: str | None = None,
    modes: Collection[str] = MODES,
    shape: Shape | None = None,
) -> Asked:
    """What a request deserves.

    Args:
        method: the HTTP method.
        path: the URL or its path.
        headers: lower-case names to values.
        body: octets; None where they are not known.
        credential: a value of `conformance.transcript.exchange.Credential`.
        model: the target's own model; another well-formed one is open (a server may not know it).
        modes: those that the target was not declared without; another documented one is open.
        shape: of the requests; None: by the schema files of this suite.
    """
    endpoint = endpoint_of(path)
    if not endpoint:
        return Asked(Due.OPEN, reason="no documented endpoint")
    if method != "POST":
        return Asked(Due.REFUSE, "reject.method", f"method {method}", endpoint)
    asked = _deserved_by_body(endpoint, headers, body, model, modes, shape or documented())
    if not _unauthenticated(credential):
        return asked
    if asked.due is Due.REFUSE and asked.parsed.value is None:
        return replace(asked, due=Due.OPEN, requirement="", reason="no JSON and no token: either may be reported first")
    return Asked(
        Due.AUTHENTICATE,
        _auth_requirement(credential, asked),
        f"credential: {credential}",
        endpoint,
        asked.parsed,
        asked.stream,
        asked.edge,
    )


def is_usual(request_id: str) -> bool:
    """True for 1 to 64 printable characters of ASCII, none of them a space: a `request_id` that every server takes."""
    return not any(_ids().matters(request_id))


@cache
def _ids() -> Openness:
    return Openness(documented()[CHAT].members["metadata"]["properties"]["request_id"])


def _unauthenticated(credential: str) -> bool:
    return credential in ("none", "empty", "never-issued", "nearly-own", "other-middle", "other-scheme")


def _auth_requirement(credential: str, asked: Asked) -> str:
    if asked.due is Due.REFUSE:
        return "auth.before-validation"
    if credential == "other-scheme":
        return "auth.wrong-scheme"
    if asked.resume:
        return "resume.auth"
    if asked.stream:
        return "auth.stream-refused-as-json"
    return {"none": "auth.missing-header", "empty": "auth.empty-bearer"}.get(credential, "auth.unknown-token")


def _deserved_by_body(
    endpoint: str,
    headers: Mapping[str, str],
    body: bytes | None,
    model: str | None,
    modes: Collection[str],
    shape: Shape,
) -> Asked:
    if body is None:
        return Asked(Due.OPEN, reason="the request's body is not known", endpoint=endpoint)
    media_type = headers.get("content-type", "").split(";")[0].strip().lower()
    if not media_type:
        return Asked(Due.OPEN, reason="no Content-Type", endpoint=endpoint, parsed=parse(body))
    if media_type != "application/json":
        if media_type.endswith("+json"):
            return Asked(Due.OPEN, reason=f"media type {media_type}", endpoint=endpoint, parsed=parse(body))
        return Asked(Due.REFUSE, "reject.media-type", f"media type {media_type}", endpoint)
    due, requirement, reason, edge, stream, parsed, pointer = _judge_body(
        endpoint, body, model, tuple(sorted(modes)), shape
    )
    return Asked(due, requirement, reason, endpoint, parsed, stream, edge, pointer)


def forget() -> None:
    """Forget the bodies that were judged. A run asks for the same ones again and again; a soak never does."""
    _judge_body.cache_clear()


@lru_cache(maxsize=8192)
def _judge_body(
    endpoint: str, body: bytes, model: str | None, modes: tuple[str, ...], shape: Shape
) -> tuple[Due, str, str, bool, bool, Parsed, str]:
    parsed = parse(body)
    stream = isinstance(parsed.value, dict) and parsed.value.get("stream") is True
    if parsed.oddities:
        named = ", ".join(sorted(parsed.oddities))
        if parsed.oddities == {"nan"} and _nan_is_the_temperature(shape[endpoint], parsed.value):
            return Due.REFUSE, _for(endpoint, "reject.temperature"), "NaN or Infinity", False, stream, parsed, ""
        return Due.OPEN, "", f"readers of JSON differ: {named}", True, stream, parsed, ""
    if parsed.problem:
        return Due.REFUSE, _for(endpoint, "reject.body"), parsed.problem, False, False, parsed, ""
    if not isinstance(parsed.value, dict):
        return Due.REFUSE, _for(endpoint, "reject.body"), "not a JSON object", False, False, parsed, ""
    schema = shape[endpoint]
    tolerated: list[str] = []
    bare = schema.openness.without_tolerated(parsed.value, tolerated)
    if found := schema.errors(bare):
        requirement, reason, pointer = _blame(endpoint, schema, found)
        if stream and endpoint == CHAT:
            requirement = "stream.refusal-as-json"
        return Due.REFUSE, requirement, reason, False, stream, parsed, pointer
    if tolerated:
        return Due.OPEN, "", tolerated[0], False, stream, parsed, ""
    if len(body) > LARGE_BODY:
        return Due.OPEN, "", "a large body", False, stream, parsed, ""
    if why := next(_open_matters(endpoint, schema, parsed.value, model, modes), ""):
        return Due.OPEN, "", why, False, stream, parsed, ""
    requirement = "resume.approve" if endpoint == RESUME else acceptance(parsed.value, shape)
    return Due.ACCEPT, requirement, "valid", False, stream, parsed, ""


def _for(endpoint: str, requirement: str) -> str:
    """Resume judges the shared fields as chat completions does, by a requirement of its own."""
    return "resume.request-fields" if endpoint == RESUME else requirement


# --- JSON ------------------------------------------------------------------------------------------------------------


class _Oddities:
    """Collects what strict readers of JSON differ on while `json` parses."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            self.seen.add("duplicate-keys")
        return made

    def constant(self, _: str) -> float:
        self.seen.add("nan")
        return float("nan")

    def integer(self, digits: str) -> int:
        if len(digits) > 19:
            self.seen.add("huge-number")
            return 0
        return int(digits)

    def number(self, digits: str) -> float:
        value = float(digits)
        if value in (float("inf"), float("-inf")) or len(digits) > 40 or (value and abs(value) < 1e-300):
            self.seen.add("huge-number")
            return 0.0
        return value


def parse(body: bytes) -> Parsed:
    """Reads octets as strict JSON (RFC 8259) and notes what readers differ on."""
    oddities = _Oddities()
    if body.startswith(b"\xef\xbb\xbf"):
        return Parsed(problem="a BOM", oddities=frozenset({"bom"}))
    if b"\x00" in body[:4] or body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Parsed(problem="not UTF-8", oddities=frozenset({"encoding"}))
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        return Parsed(problem=f"not UTF-8 at byte {error.start}", oddities=frozenset({"encoding"}))
    if _depth(text) > DEEP:
        return Parsed(problem="deep nesting", oddities=frozenset({"depth"}))
    try:
        value = json.loads(
            text,
            object_pairs_hook=oddities.pairs,
            parse_constant=oddities.constant,
            parse_int=oddities.integer,
            parse_float=oddities.number,
        )
    except (ValueError, RecursionError) as error:
        return Parsed(problem=f"malformed JSON: {error}" if text.strip() else "an empty body")
    if _LONE_SURROGATE.search(text) and _any_text(value, lambda t: bool(_SURROGATE.search(t))):
        oddities.seen.add("surrogate")
    if "\\u0000" in text and _any_text(value, lambda t: "\0" in t):
        oddities.seen.add("nul")
    return Parsed(value, oddities=frozenset(oddities.seen))


_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")


_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_BRACKET = re.compile(r"[\[\]{}]")


def _depth(text: str) -> int:
    """The deepest nesting of brackets outside strings; an upper bound where the text is not JSON."""
    if text.count("[") + text.count("{") <= DEEP:
        return 0
    brackets = _BRACKET.findall(_STRING.sub("", text))
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0)


def _any_text(value: Any, holds: Any) -> bool:
    if isinstance(value, str):
        return bool(holds(value))
    if isinstance(value, dict):
        return any(holds(k) or _any_text(v, holds) for k, v in value.items())
    if isinstance(value, list):
        return any(_any_text(v, holds) for v in value)
    return False


def _nan_is_the_temperature(schema: Endpoint, value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    temperature = value.get("temperature")
    if not (isinstance(temperature, float) and temperature != temperature):
        return False
    rest = {k: v for k, v in value.items() if k != "temperature"}
    return "NaN" not in json.dumps(rest) and not schema.errors(rest)


# --- refusing --------------------------------------------------------------------------------------------------------


def _precedence(requirement: str) -> int:
    """The lower, the more fundamental a breach is; every requirement that a body can break has its own."""
    rank = catalogue.load()[requirement].precedence
    assert rank is not None  # says requirements.toml
    return rank


def _blame(endpoint: str, schema: Endpoint, found: Iterable[SchemaError]) -> tuple[str, str, str]:
    blamed: dict[str, tuple[str, str]] = {}
    for error in found:
        if error.keyword == "required" and not error.pointer:
            told = f"{error.missing} is missing", f"/{error.missing}"
        else:
            told = f"{error.pointer or 'the body'}: {error.message}"[:200], error.pointer
        blamed.setdefault(schema.blamed(error), told)
    requirement = min(blamed, key=_precedence)
    reason, pointer = blamed[requirement]
    return (requirement if requirement.startswith("resume.") else _for(endpoint, requirement)), reason, pointer


# --- left open -------------------------------------------------------------------------------------------------------


def _open_matters(
    endpoint: str, schema: Endpoint, body: Mapping[str, Any], model: str | None, modes: Collection[str]
) -> Iterator[str]:
    """Each thing in a valid body that the documentation leaves open, in words (contract, "Left open …")."""
    yield from schema.openness.matters(body)
    # What no schema can say: it depends on the target, or on several places together.
    if model is not None and body["model"] != model:
        yield "another group than the target's own"
    mode = body.get("metadata", {}).get("mode")
    if mode is not None and mode not in modes:
        yield "a mode that the target was declared without"
    if not natural_order([m["role"] for m in body["messages"]]):
        yield "the order of roles"
    denied = [denial["tool_execution_id"] for denial in body.get("denied_tools", ())] if endpoint == RESUME else []
    if len(set(denied)) != len(denied):
        yield "one call named twice"


def natural_order(roles: list[str]) -> bool:
    """True for one system message first (or none), then user and assistant by turns, from a user to a user."""
    turns = roles[1:] if roles[:1] == ["system"] else roles
    return len(turns) % 2 == 1 and all(role == ("user", "assistant")[i % 2] for i, role in enumerate(turns))


# --- accepting -------------------------------------------------------------------------------------------------------


def acceptance(body: Mapping[str, Any], shape: Shape | None = None) -> str:
    """Which `accept.*` requirement judges a valid body, none of which is open: that of its one special trait.

    A body with several traits is a matter of accept.any-valid, unless the rarer trait is told by another requirement
    already: limits over the mere presence of a field, code points over the rest.
    """
    schema = (shape or documented())[CHAT]
    messages = body["messages"]
    texts = [text_of(m["content"]) for m in messages]
    options = [member for member in schema.optional if member in body]
    if any(_edgy(text) for text in texts):
        return "accept.unicode-edges"
    if len(options) <= 2 and _at_limits(schema.schema, body):
        return "accept.limits"
    if any(not text.isascii() and _BEYOND_LATIN.search(text) for text in texts):
        return "accept.unicode"
    if any(not isinstance(m["content"], str) for m in messages):
        return "accept.content-forms"
    if any(m["role"] != "user" for m in messages):
        return "accept.roles"
    if len(options) == 1 and (own := schema.members[options[0]].get("x-acceptance")):
        return str(own)
    return "accept.optional-fields" if options else "accept.minimal"


_BEYOND_LATIN = re.compile(r"[^\x00-\u024f]")


def _at_limits(schema: Schema, value: Any) -> bool:
    """Whether a number in a valid value is at an end of its range, or a list as long as it may be."""
    if isinstance(value, list):
        items = schema.get("items", {})
        return len(value) == schema.get("maxItems") or any(_at_limits(items, item) for item in value)
    if isinstance(value, dict):
        members = schema.get("properties", {})
        return any(_at_limits(members[name], inner) for name, inner in value.items() if name in members)
    limits = (schema.get("minimum"), schema.get("maximum"))
    return isinstance(value, int | float) and not isinstance(value, bool) and value in limits


def _edgy(text: str) -> bool:
    """True where the text holds control, bidirectional or noncharacter code points, or line ends beyond ASCII."""
    plain = text.isascii() and text.isprintable()  # nearly all, and quicker to see
    return not plain and _EDGE.search(text) is not None


_EDGE = re.compile(
    "["
    r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # controls but TAB, LF and CR
    r"\u2028\u2029"  # line and paragraph separators
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, embeddings, overrides and isolates of direction
    r"\ufeff\ufdd0-\ufdef"  # the BOM; noncharacters, here and at the end of each plane
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
