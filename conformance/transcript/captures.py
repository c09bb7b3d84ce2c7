"""What was saved of one answer: an event stream (`curl -N … > answer.sse`), or the output of `curl -i`.

Nothing is known of the request, and nobody says who ended the answer. So one that breaks off is laid to nobody; what is
whole is judged as the answer to a request whose body is not known.
"""

from __future__ import annotations

import base64
import re

from conformance.transcript.account import LeftOut, Why
from conformance.transcript.exchange import Transcript
from conformance.transcript.har_reader import Gathered

URL = "https://target.invalid/v1/chat/completions"
"""Where the request went is not known (RFC 6761, section 6.4)."""
_STATUS = re.compile(rb"HTTP/[0-9.]+ (\d{3})(?: ([^\r\n]*))?\r?\n")
_EVENT = re.compile(rb"\s*(?:data|event|id|retry):|:", re.IGNORECASE)
_DONE = re.compile(rb"^data: ?\[DONE\][ \t]*\r?$", re.MULTILINE)
_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"')


def is_answer(head: bytes) -> bool:
    """True for output of `curl -i`."""
    return _STATUS.match(head) is not None


def is_stream(head: bytes) -> bool:
    """True for the beginning of an event stream."""
    return _EVENT.match(head) is not None


def read(octets: bytes, *, exact: bool) -> Transcript:
    """Read what was saved of an answer.

    Args:
        octets: of the file.
        exact: False: an editor or a shell wrote it anew, in another encoding.

    Raises:
        HarError: nothing in it can be judged.
    """
    status, fields, body = 200, None, octets
    while found := _STATUS.match(body):
        section, blank, behind = _section(body[found.end() :])
        status, fields = int(found[1]), _fields(section)
        if not blank or not (status < 200 or behind.startswith(b"HTTP/")):
            body = behind
            break
        body = behind  # of a proxy, a redirect, or "100 Continue": another answer follows
    content = {"text": base64.b64encode(body).decode("ascii"), "encoding": "base64", "mimeType": ""}
    if not exact:
        content = {"text": body.decode("utf-8", "replace"), "mimeType": ""}
    if fields is None:
        content["mimeType"] = "text/event-stream"
    gathered = Gathered()
    gathered.account.entries = 1
    if (fields is None or "text/event-stream" in str(fields)) and not _ended(body):
        gathered.account.leave_out(
            gathered.next, LeftOut(Why.BROKEN_OFF, "the stream breaks off, and nothing says why")
        )
    else:
        request = {"method": "POST", "url": URL, "headers": []}
        gathered.hold({"request": request, "response": {"status": status, "headers": fields, "content": content}})
    return gathered.transcript("curl" if fields is not None else "", {})


def _section(octets: bytes) -> tuple[bytes, bytes, bytes]:
    """The header section, the blank line, and what follows."""
    if blank := re.search(rb"^\r?\n", octets, re.MULTILINE):
        return octets[: blank.start()], blank[0], octets[blank.end() :]
    return octets, b"", b""


def _fields(section: bytes) -> list[dict[str, str]]:
    lines = section.decode("latin-1").splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line)
    return [{"name": name.strip(), "value": value.strip()} for name, _, value in pairs]


def _ended(body: bytes) -> bool:
    """True where the model had finished, and its last event is whole: a missing `[DONE]` is then the server's."""
    if not _EVENT.match(body):
        return True
    return bool(_DONE.search(body)) or (
        bool(_FINISHED.search(body)) and body.rstrip(b" \t").endswith((b"\n\n", b"\n\r\n"))
    )
