"""Recordings of any kind that is read: told apart by their first octets, read as streams.

Here the wrappings come off (gzip, a byte order mark, UTF-16, the zip files of Playwright); `har_reader` reads HAR,
`cassettes` what VCR wrote, `flows` what mitmproxy did, `captures` what was saved of one answer. Whatever else it looks
like is named in the sentence that refuses it, with what to do.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from conformance.settings import files
from conformance.transcript import captures, cassettes, flows, har_reader
from conformance.transcript.exchange import Transcript
from conformance.transcript.har_nodes import HarError
from conformance.transcript.har_reader import LARGEST
from conformance.transcript.json_document import BLOCK

Read = Callable[[int], bytes]

_NOT_READ: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), told)
    for pattern, told in (
        (rb"\xd4\xc3\xb2\xa1|\xa1\xb2[\xc3\x3c]|\x0a\x0d\x0d\x0a|\x4d\x3c\xb2\xa1",
         "a capture of packets; record with a proxy or a browser instead, and save a HAR"),
        (rb"httprr trace v1\r?\n", "a trace of Go's httprr; record with a proxy instead, and save a HAR"),
        (rb"WARC/\d", "a web archive (WARC); record with a proxy or a browser instead, and save a HAR"),
        (rb"\s*\[", "a JSON list, such as Charles writes as a session; export it as HTTP Archive (.har) instead"),
        (rb"\s*(?:<\?xml|<!doctype|<[A-Za-z])",
         "XML or HTML, such as Charles and Burp write as a session; export it as HTTP Archive (.har) instead"),
        (rb"SQLite format 3", "a database; export the session as HTTP Archive (.har) instead"),
        (rb"\x28\xb5\x2f\xfd", "compressed by zstd; decompress it first"),
        (rb"BZh|\xfd7zXZ|7z\xbc\xaf", "compressed; decompress it first"),
    )
)  # fmt: skip
_KEYS_NOT_READ: tuple[tuple[str, str], ...] = (
    ("item", "a collection of Postman; run it through a proxy, and save a HAR"),
    ("resources", "an export of Insomnia; export it as HAR (HTTP Archive Format) instead"),
    ("constants", "a NetLog of Chrome, which has no bodies; save a HAR from the network panel instead"),
    ("requirements", "results of this suite; `judge` takes the transcript.har beside them"),
    ("openapi", "a description of an API; a recording holds requests and answers"),
)


def load(source: Path | bytes) -> Transcript:
    """Read a recording: the file at a path, or its octets.

    Raises:
        HarError: it is not a recording that can be read.
        files.Unreadable: the system does not give the file.
    """
    if isinstance(source, bytes):
        return read(io.BytesIO(source))
    try:
        with source.open("rb") as file:
            return read(file)
    except (OSError, ValueError) as error:  # a ValueError: NUL in the path
        if isinstance(error, HarError):
            raise
        raise files.Unreadable(f"cannot be read ({getattr(error, 'strerror', None) or 'it is not a path'})") from None


def read(file: BinaryIO) -> Transcript:
    """Read a recording from an open file that can be searched. Raises HarError."""
    try:
        return _read(file)
    except (gzip.BadGzipFile, zlib.error, EOFError):
        raise HarError("It is damaged: what is compressed in it cannot be read to its end.") from None
    except UnicodeError:
        raise HarError("It is not UTF-8, nor UTF-16 with a byte order mark; save it as UTF-8.") from None


def _read(file: BinaryIO) -> Transcript:
    begins = file.read(4)
    file.seek(0)
    if begins[:2] == b"\x1f\x8b":
        return _of_text(_bounded(gzip.GzipFile(fileobj=file).read))
    if begins == b"PK\x03\x04":
        return _of_zip(file)
    return _of_text(_bounded(file.read))


def _bounded(source: Read) -> Read:
    left = LARGEST

    def bounded(most: int) -> bytes:
        nonlocal left
        block = source(most)
        left -= len(block)
        if left < 0:
            raise HarError(f"It is larger than {LARGEST // 2**20} MiB.")
        return block

    return bounded


def _of_text(source: Read) -> Transcript:
    head = _filled(source, 4096)
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return _of_octets(_decoded(_behind(head[2:], source), encoding), exact=False)
    marked = head.startswith(codecs.BOM_UTF8)
    return _of_octets(_behind(head.removeprefix(codecs.BOM_UTF8), source), exact=not marked)


def _of_octets(source: Read, *, exact: bool) -> Transcript:
    head = _filled(source, 4096)
    whole = _behind(head, source)
    if not head.strip():
        raise HarError("It is empty.")
    if re.match(rb"\s*\{", head):
        return _of_json(head, whole)
    if cassettes.is_yaml(head):
        return cassettes.read_yaml(whole)
    if flows.is_flows(head):
        return flows.read(_all(whole))
    if captures.is_answer(head) or captures.is_stream(head):
        return captures.read(_all(whole), exact=exact)
    for pattern, told in _NOT_READ:
        if pattern.match(head):
            raise HarError(f"It looks like {told}.")
    raise HarError(
        "It is not a recording that can be read: HAR, cassettes of VCR, a saved event stream, or output of curl -i."
    )


def _of_json(head: bytes, source: Read) -> Transcript:
    keys = re.findall(rb'"([A-Za-z_]+)"\s*:', head)
    if cassettes.is_json(keys):
        return cassettes.read_json(source)
    if b"log" not in keys:
        for key, told in _KEYS_NOT_READ:
            if key.encode() in keys:
                raise HarError(f"It looks like {told}.")
    return har_reader.read(source)


def _of_zip(file: BinaryIO) -> Transcript:
    """A zip file of Playwright: a HAR, and beside it the bodies that its `_file` members name."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if any(name.startswith("raw/") for name in names):
                raise HarError(
                    "It looks like a session of Fiddler (.saz); export it as HTTPArchive v1.2 (.har) instead."
                )
            har = next((name for name in sorted(names, key=len) if name.endswith(".har")), None)
            if har is None:
                raise HarError("It is a zip file without a HAR in it; Playwright's hold one, named har.har.")
            folder = har.rpartition("/")[0]
            known = set(names)
            left = LARGEST

            def attached(name: str) -> bytes | None:
                nonlocal left
                path = f"{folder}/{name}" if folder else name
                if path not in known or archive.getinfo(path).file_size > left:
                    return None
                with archive.open(path) as member:
                    octets = member.read(left + 1)
                left -= len(octets)
                return octets if left >= 0 else None

            with archive.open(har) as member:
                return har_reader.read(_bounded(member.read), attached)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, KeyError):
        raise HarError("It is a zip file that is damaged, or encrypted.") from None


def _filled(source: Read, most: int) -> bytes:
    made = b""
    while len(made) < most and (block := source(most - len(made))):
        made += block
    return made


def _behind(first: bytes, source: Read) -> Read:
    """A source that gives these octets first."""
    held = io.BytesIO(first)
    return lambda most: held.read(most) or source(most)


def _decoded(source: Read, encoding: str) -> Read:
    decoder = codecs.getincrementaldecoder(encoding)()

    def decoded(most: int) -> bytes:
        while block := source(most):
            if text := decoder.decode(block):
                return text.encode("utf-8", "surrogatepass")
        decoder.decode(b"", final=True)
        return b""

    return decoded


def _all(source: Read) -> bytes:
    return b"".join(iter(lambda: source(BLOCK), b""))
