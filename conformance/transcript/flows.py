"""Flow files of mitmproxy, read and turned into a HAR by its own library, which is an extra of this package.

What mitmproxy wrote before an error, or before it was ended, is read; the rest of the file is not there.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from conformance.transcript import har_reader
from conformance.transcript.exchange import Transcript
from conformance.transcript.har_nodes import HarError

_MISSING = (
    "It looks like flows of mitmproxy: install it beside this program (the extra kitemesh-conformance[mitmproxy]), or "
    "write them as HAR: mitmdump -nr FILE --set hardump=FILE.har."
)


def is_flows(head: bytes) -> bool:
    """True for the first octets of a flow file: a dictionary as a tnetstring, its length first."""
    return re.match(rb"\d{1,9}:\d{1,9}:[a-z_]+;", head) is not None


def read(octets: bytes) -> Transcript:
    """Read a flow file. Raises HarError."""
    flows, make_har, broken = _library()
    found: list[Any] = []
    with suppress(broken):  # it was cut off
        found.extend(flows(io.BytesIO(octets)))
    if not found:
        raise HarError("It looks like flows of mitmproxy, but none can be read; it is damaged, or of another version.")
    made = json.dumps(make_har(found), default=str).encode("utf-8", "backslashreplace")
    return har_reader.read(io.BytesIO(made).read)


def _library() -> tuple[Callable[[Any], Any], Callable[[list[Any]], dict[str, Any]], type[Exception]]:
    try:
        from mitmproxy.addons.savehar import SaveHar  # type: ignore[import-not-found]
        from mitmproxy.exceptions import FlowReadException  # type: ignore[import-not-found]
        from mitmproxy.io import FlowReader  # type: ignore[import-not-found]
    except ImportError:
        raise HarError(_MISSING) from None

    def flows(file: Any) -> Any:
        return FlowReader(file).stream()

    return flows, SaveHar().make_har, FlowReadException
