"""Transcripts read from HAR 1.2 files: our own without loss (see `har_writer`), those of others as far as they tell.

An entry with `_ending` is taken for ours; any other one is read by `har_foreign`. A file is read entry by entry: of the
entries of others only those stay that ask for a documented endpoint. One of theirs that cannot be read costs no more
than itself; one of ours costs the file, which somebody changed.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from conformance.contract.classify import endpoint_of
from conformance.settings import files
from conformance.transcript import har_foreign
from conformance.transcript.account import RECORDING, Account, LeftOut, Why, sentence
from conformance.transcript.exchange import (
    Credential,
    Ending,
    Exchange,
    Held,
    Piece,
    ProbeNote,
    Request,
    Response,
    Transcript,
)
from conformance.transcript.har_nodes import HarError, Node, body_of, fields_of, latin1, started, utf8
from conformance.transcript.json_document import Document, Element, Ended, Malformed
from conformance.transcript.redaction import Redactor, mask_head

LARGEST = 512 * 1024 * 1024
"""Octets of a file that is read; characters of a text."""
ENTRIES = ("log", "entries")
_NO_NOTE = ProbeNote()
_NOTE_KINDS: Mapping[str, type[object]] = {
    field.name: {"str": str, "int": int, "bool": bool}[str(field.type).removesuffix(" | None")]
    for field in fields(ProbeNote)
}


def load(source: str | bytes | Path) -> Transcript:
    """Read a transcript: a file (a path), or its text, told from a path by its first character, `{`.

    Raises HarError, and nothing else, for whatever cannot be read.
    """
    if isinstance(source, str) and not source.lstrip("\ufeff \t\r\n").startswith("{"):
        source = Path(source)
    if isinstance(source, Path):
        try:
            source = files.read(source, LARGEST)
        except files.Unusable as error:
            raise HarError(f"The transcript {str(source)[:200]!r} {error}.") from None
    if len(source) > LARGEST:
        raise HarError(f"The transcript is too large: above {LARGEST} octets.")
    if isinstance(source, str):
        source = source.encode("utf-8", "surrogatepass")
    return read(io.BytesIO(source.removeprefix(b"\xef\xbb\xbf")).read)


def read(source: Callable[[int], bytes], attached: Callable[[str], bytes | None] | None = None) -> Transcript:
    """Read a transcript whose octets, UTF-8 without a BOM, a function gives.

    Args:
        source: gives the octets.
        attached: gives those of the files beside it that its `_file` members name (Playwright); None: there are none.

    Raises:
        HarError: it cannot be read.
    """
    document = Document(source, [ENTRIES])
    gathered = Gathered(attached)
    try:
        for number, element in enumerate(document, 1):
            gathered.take(number, element)
    except Ended:
        if gathered.ours or not gathered.held:
            raise HarError("The transcript is not a HAR file: it is not JSON (it ends too early).") from None
        gathered.account.entries += 1
        gathered.account.leave_out(gathered.next, LeftOut(Why.UNREADABLE, "the file ends within it"))
        return gathered.transcript("", {})
    except Malformed as error:
        told = error if "nested" in str(error) else f"it is not JSON ({error})"
        raise HarError(f"The transcript is not a HAR file: {told}.") from None
    log = Node(_head(bytes(document.rest)), "log").of(dict)
    if not log.member("entries").items() and not gathered.account.entries:
        raise HarError("The transcript has no entries.")
    return gathered.transcript(*_read_head(log))


def _head(text: bytes) -> Any:
    """The log, its entries aside."""
    document = _json(text, "The transcript is not a HAR file: ")
    if not isinstance(document, dict) or "log" not in document:
        raise HarError("The transcript is not a HAR file: it has no member `log`.")
    return document["log"]


def _json(text: bytes, lead: str) -> Any:
    try:
        return json.loads(text.decode("utf-8", "surrogatepass"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise HarError(f"The transcript is not UTF-8 (octet {error.start}).") from None
    except HarError:
        raise
    except RecursionError:
        raise HarError(f"{lead}its JSON is nested too deeply.") from None
    except ValueError as error:
        raise HarError(f"{lead}it is not JSON ({error}).") from None


def _no_constant(name: str) -> NoReturn:
    raise HarError(f"The transcript is not a HAR file: {name} is not a JSON number.")


@dataclass
class Gathered:
    """What was read of a recording so far: of the entries of others, only those that may be judged."""

    attached: Callable[[str], bytes | None] | None = None
    account: Account = field(default_factory=Account)
    ours: list[Exchange] = field(default_factory=list)
    held: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Entries of others, by their names, until every secret is known."""
    _secrets: dict[str, dict[str, None]] = field(default_factory=dict)
    """By host: those of other hosts are nowhere in what is judged."""

    @property
    def next(self) -> str:
        """The name of the entry that was counted last."""
        return f"entry-{self.account.entries}"

    def take(self, number: int, element: Element) -> None:
        """Take an entry of a HAR file. Raises HarError where one of ours cannot be read."""
        place = f"log.entries[{number - 1}]"
        self.account.entries += 1
        try:
            value = _json(element.octets or b"{}", f"`{place}` of the transcript cannot be read: ")
            entry = Node(value, place).of(dict)
        except HarError as error:
            self.account.leave_out(self.next, LeftOut(Why.UNREADABLE, str(error)))
            return
        if "_ending" in entry.value:
            self.ours.append(_read_own(entry))
        else:
            self.hold(entry.value, shortened=element.shortened)

    def hold(self, entry: dict[str, Any], *, shortened: bool = False) -> None:
        """Take the entry that was counted last, as HAR writes it; those for anything but the API are only counted."""
        request = entry.get("request")
        url = request.get("url") if isinstance(request, dict) else None
        if not isinstance(url, str):
            told = "it has no member `request`" if request is None else "its `request` must be an object with a URL"
            self.account.leave_out(self.next, LeftOut(Why.UNREADABLE, told))
            return
        host = _host(url)
        if not endpoint_of(url.partition("?")[0].partition("#")[0]):
            self.account.passed_by(host)
            return
        self._secrets.setdefault(host, {}).update(dict.fromkeys(har_foreign.credentials_of(entry)))
        if shortened:
            self.account.leave_out(self.next, LeftOut(Why.SHORTENED, "it is too large to be read"))
        else:
            self.held.append((self.next, _with_files(entry, self.attached) if self.attached else entry))

    def transcript(self, creator: str, options: Mapping[str, Any]) -> Transcript:
        """All that was taken. Raises HarError where there is nothing to judge, with what is there instead."""
        _refuse_twins(self.ours)
        exchanges = [*self.ours]
        if not self.account.entries or len(self.ours) == self.account.entries:
            return Transcript(tuple(exchanges), options, creator)
        exchanges += _once(_in_order(self._read(creator)), self.account)
        recorded = self.account.recorded()
        if not exchanges:
            raise HarError(_nothing(self.account, recorded))
        # Browsers write entries as they end, but a transcript is told in the order of starting.
        exchanges.sort(key=lambda exchange: exchange.started)
        return Transcript(tuple(exchanges), {**options, RECORDING: recorded}, creator)

    def _read(self, creator: str) -> Iterator[Exchange]:
        secrets = [secret for found in self._secrets.values() for secret in found]
        redactor = Redactor(secrets)
        self.held.reverse()
        while self.held:
            name, entry = self.held.pop()  # so that no entry is held twice, as it came and as it was read
            try:
                yield har_foreign.exchange(entry, name, redactor, creator)
            except LeftOut as left:
                self.account.leave_out(name, LeftOut(left.why, redactor.text(left.detail)))
            except HarError as error:
                self.account.leave_out(name, LeftOut(Why.UNREADABLE, redactor.text(str(error))))


def _with_files(entry: dict[str, Any], attached: Callable[[str], bytes | None]) -> dict[str, Any]:
    """An entry with the bodies that are in files of their own."""
    response = entry.get("response")
    for holder, member in ((entry["request"], "postData"), (response, "content")):
        content = holder.get(member) if isinstance(holder, dict) else None
        if not isinstance(content, dict) or not isinstance(name := content.get("_file"), str):
            continue
        if (octets := attached(name)) is not None:
            try:  # the browser gave text, which was encoded anew
                content |= {"text": octets.decode("utf-8"), "encoding": None}
            except UnicodeDecodeError:
                content |= {"text": base64.b64encode(octets).decode("ascii"), "encoding": "base64"}
    return entry


def _host(url: str) -> str:
    """Host and port of a URL, in lower case."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()[:200] or "?"
    except ValueError:
        return "?"


_BOTH = "(…/chat/completions, …/chat/resume)"


def _nothing(account: Account, recorded: Mapping[str, Any]) -> str:
    """Why nothing of a recording can be judged."""
    elsewhere = sum(account.elsewhere.values())
    if elsewhere == account.entries:
        hosts = ", ".join(host for host, _ in account.elsewhere.most_common(3))
        if elsewhere == 1:
            return (
                f"Nothing in it can be judged: the only request goes to no documented endpoint {_BOTH} but to {hosts}."
            )
        return (
            f"Nothing in it can be judged: none of the {elsewhere} requests goes to a documented endpoint {_BOTH}; "
            f"they went to {hosts}."
        )
    return f"Nothing in it can be judged. {sentence(recorded, 0)}."


def _in_order(exchanges: Iterator[Exchange]) -> Iterator[Exchange]:
    """Those that do not tell when they started stand behind the one that was recorded before them."""
    latest = 0.0
    for exchange in exchanges:
        if exchange.timed:
            latest = exchange.started + exchange.finished
            yield exchange
        else:
            yield replace(exchange, started=latest)


def _once(exchanges: Iterator[Exchange], account: Account) -> Iterator[Exchange]:
    """One of those that were recorded twice: by a service worker and its page, or on both sides of a proxy.

    The same request and the same octets of the answer, while the other was under way: nobody answers twice alike, and
    at the same time.
    """
    seen: dict[Any, list[Exchange]] = {}
    for one in exchanges:
        answer, asked = one.response, one.request
        key = (asked.method, asked.url, asked.body, answer and (answer.status, answer.body))
        twins = seen.setdefault(key, [])
        known = one.timed and bool(answer and answer.body)
        if known and any(
            t.started <= one.started + one.finished and one.started <= t.started + t.finished for t in twins
        ):
            account.leave_out(one.name, LeftOut(Why.TWICE))
            continue
        if known:
            twins.append(one)
        yield one


def _refuse_twins(exchanges: list[Exchange]) -> None:
    seen: set[str] = set()
    for exchange in exchanges:
        if exchange.name in seen:
            raise HarError(f"Two entries of the transcript are named {exchange.name!r}.")
        seen.add(exchange.name)


def _read_head(log: Node) -> tuple[str, Mapping[str, Any]]:
    """Who made it, and the run's options; none where another client did."""
    ours = log.get("_conformance")
    if ours is not None:
        head = ours.of(dict)
        return head.text("creator", ""), head.member("options").of(dict).value
    maker = log.value.get("creator")
    told = [maker.get(name) for name in ("name", "version")] if isinstance(maker, dict) else []
    return " ".join(str(one) for one in told if isinstance(one, str | int | float) and one != ""), {}


def _read_own(entry: Node) -> Exchange:
    request = entry.member("request").of(dict)
    post = request.get("postData")
    body = None if post is None else _own_octets(post.of(dict))
    ended = entry.member("response").of(dict)
    return Exchange(
        name=entry.text("_name"),
        request=Request(
            method=request.text("method"),
            url=request.text("url"),
            headers=fields_of(request),
            body=body,
            credential=entry.member("_credential").choice(Credential),
            held=_read_held(request),
        ),
        response=_read_own_response(ended) if ended.member("status").natural() else None,
        ending=entry.member("_ending").choice(Ending),
        started=started(entry),
        finished=entry.member("time").seconds(),
        error=entry.text("_error", ""),
        note=_read_note(entry),
        server_ip=entry.text("serverIPAddress", ""),
        head=mask_head(latin1(entry.text("_head", "")).encode("latin-1")),
        timed=entry.flag("_timed", True),
    )


def _read_held(request: Node) -> Held | None:
    node = request.get("_held")
    if node is None:
        return None
    node.of(dict)
    return Held(
        url=node.flag("url", False),
        headers=tuple(str(name.of(str).value) for name in node.member("headers").items()),
        body=tuple((at.natural(), size.natural()) for at, size in node.member("body").pairs()),
    )


def _own_octets(post: Node) -> bytes:
    exact = post.get("_base64")
    return utf8(post.text("text")) if exact is None else exact.octets()


def _read_own_response(response: Node) -> Response:
    known = response.flag("_bodyKnown", True)
    body = body_of(response.member("content").of(dict)) if known else b""
    if body is None:
        raise HarError(f"`{response.place}.content` of the transcript has no member `text`.")
    headers_at, chunks, excess = (response.get(name) for name in ("_headersAt", "_chunks", "_excess"))
    pieces = None if chunks is None else tuple(Piece(at.seconds(), size.natural()) for at, size in chunks.pairs())
    if pieces is not None and sum(piece.length for piece in pieces) != len(body):
        raise HarError(f"`{response.place}._chunks` of the transcript do not add up to the body's {len(body)} octets.")
    held = response.get("_redactedHeaders")
    marks = response.get("_redacted")
    return Response(
        status=response.member("status").natural(),
        headers=fields_of(response),
        body=body,
        reason=response.text("statusText", ""),
        http_version=response.text("httpVersion", ""),
        headers_at=None if headers_at is None else headers_at.seconds(),
        pieces=pieces,
        excess=0 if excess is None else excess.natural(),
        redacted=() if marks is None else tuple((at.natural(), size.natural()) for at, size in marks.pairs()),
        redacted_headers=() if held is None else tuple(str(name.of(str).value) for name in held.items()),
        decoded=response.flag("_decoded", False),
        transcoded=response.flag("_transcoded", False),
        headers_known=response.flag("_headersKnown", True),
        body_known=known,
    )


def _read_note(entry: Node) -> ProbeNote:
    node = entry.get("_probe")
    if node is None:
        return _NO_NOTE
    node.of(dict)
    # A member that a newer suite added is passed over: the others still say what they say.
    given = {
        name: member.of(kind).value for name, kind in _NOTE_KINDS.items() if (member := node.get(name)) is not None
    }
    return ProbeNote(**given)
