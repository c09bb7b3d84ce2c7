"""badge.svg: the verdict for a README, given only where the whole contract was judged and the run came to a verdict.

One picture that needs nothing beside it. Only the suite's own words are in it; a reader of screens gets its title.
"""

from __future__ import annotations

from datetime import UTC, datetime

from conformance.contract.catalogue import Side, load
from conformance.judging.result import Result
from conformance.judging.verdict import Conclusion
from conformance.report.target import embedded
from conformance.settings.version import VERSION

_LABEL = "KiteMesh chat API"
_COLOURS = {Conclusion.CONFORMANT: "#1a7f37", Conclusion.NONCONFORMANT: "#b42318"}
"""Dark enough for white letters (WCAG 2, 1.4.3)."""
_LETTER = 6.6
"""Width that a letter is given, in pixels; `textLength` holds whatever font there is to it."""

_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-labelledby="title">
 <title id="title">{title}</title>
 <rect width="{left}" height="20" fill="#333"/>
 <rect x="{left}" width="{right}" height="20" fill="{colour}"/>
 <g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle" aria-hidden="true">
  <text x="{left_middle}" y="14" textLength="{left_text}">{label}</text>
  <text x="{right_middle}" y="14" textLength="{right_text}">{verdict}</text>
 </g>
</svg>
"""


def badge(result: Result) -> str | None:
    """The picture; None where it is not a run of this suite's, the scope is partial, the run is interrupted,
    inconclusive or in error, what answered was never seen to be the API, it was the embedded reference server, a client
    was judged, or the verdict covers more than KiteMesh's contract.
    """
    verdict = result.verdict
    no_server = result.options.side is Side.CLIENT or not result.transcript.own or embedded(result)
    if no_server or verdict.trouble or verdict.from_outside():
        return None
    if verdict.scope != "full" or result.interrupted or verdict.conclusion not in _COLOURS:
        return None
    left, right = (round(len(words) * _LETTER) + 12 for words in (_LABEL, verdict.conclusion))
    day = datetime.fromtimestamp(result.ended, UTC).date().isoformat()
    return _SVG.format(
        title=f"{_LABEL}: {verdict.conclusion}, full scope, judged on {day} by kitemesh-conformance {VERSION}, "
        f"contract version {load().version}",
        label=_LABEL,
        verdict=verdict.conclusion.value,
        colour=_COLOURS[verdict.conclusion],
        width=left + right,
        left=left,
        right=right,
        left_middle=left / 2,
        right_middle=left + right / 2,
        left_text=left - 12,
        right_text=right - 12,
    )
