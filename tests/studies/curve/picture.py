"""The curves as one SVG picture that needs nothing beside it, in the reader's light or dark colours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import log10
from typing import Any

WIDTH, HEIGHT = 760, 420
LEFT, TOP, RIGHT, BOTTOM = 56, 20, 190, 52
"""Margins; the names stand in the right one."""
LINE_HEIGHT = 17
COLOURS = (("#0550ae", "#79b8ff"), ("#116329", "#56d364"), ("#953800", "#ffa657"), ("#6e40c9", "#d2a8ff"))
"""Of each tool, on light and on dark: at least 4.5 to 1 on white and on GitHub's dark page."""
DASHES = ("none", "none", "7 4", "2 3")


def svg(document: Mapping[str, Any]) -> str:
    """The picture of what `curve.json` holds: the share of mutants killed, over requests on a logarithmic scale."""
    return "\n".join(_lines(document["tools"], document["sample"]["mutants"])) + "\n"


def _lines(tools: Sequence[Mapping[str, Any]], mutants: int) -> Iterator[str]:
    most = max(tool["curve"][-1][0] for tool in tools)
    names = ", ".join(f"{tool['name']} {tool['curve'][-1][1] / mutants:.0%}" for tool in tools)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" aria-labelledby="title">'
    )
    yield f'<title id="title">Mutants killed over requests sent, at the end: {escape(names)}</title>'
    yield f"<style>{_style()}</style>"
    yield '<rect class="page" width="100%" height="100%"/>'
    for share in (0, 0.25, 0.5, 0.75, 1):
        at = _y(share)
        yield f'<path class="grid" d="M{LEFT} {at}H{WIDTH - RIGHT}"/>'
        yield f'<text x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{share:.0%}</text>'
    for count in (n for n in (1, 10, 100, 1_000, 10_000) if n <= most):
        at = _x(count, most)
        yield f'<path class="grid" d="M{at} {TOP}V{HEIGHT - BOTTOM}"/>'
        yield f'<text x="{at}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{count:,}</text>'
    below = f"requests sent (logarithmic) · {mutants:,} mutants, the same for all"
    yield f'<text x="{LEFT}" y="{HEIGHT - 12}">{below}</text>'
    for number, (tool, label) in enumerate(zip(tools, _apart(tools, mutants), strict=True)):
        points = [(_x(step, most), _y(killed / mutants)) for step, killed in tool["curve"]]
        end, height = points[-1]
        yield f'<path class="line c{number}" d="M{" L".join(f"{x} {y}" for x, y in points)}"/>'
        yield f'<circle class="dot c{number}" cx="{end}" cy="{height}" r="3.5"/>'
        at = WIDTH - RIGHT + 12
        yield f'<path class="lead" d="M{end + 5} {height}L{at - 4} {label - 4}"/>'
        share = tool["curve"][-1][1] / mutants
        yield f'<text class="c{number}" x="{at}" y="{label}">{escape(tool["name"])} {share:.0%}</text>'
    yield "</svg>"


def _x(count: int, most: int) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * log10(count) / log10(max(most, 10)), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)


def _apart(tools: Sequence[Mapping[str, Any]], mutants: int) -> list[float]:
    """The heights of the names: each beside the end of its line, none on another."""
    wanted = [_y(tool["curve"][-1][1] / mutants) + 4 for tool in tools]
    made = list(wanted)
    last = float("-inf")
    for number in sorted(range(len(wanted)), key=lambda n: wanted[n]):
        made[number] = last = max(wanted[number], last + LINE_HEIGHT)
    return made


def _style() -> str:
    light = "".join(f".c{n}{{stroke:{c};fill:{c};stroke-dasharray:{DASHES[n]}}}" for n, (c, _) in enumerate(COLOURS))
    dark = "".join(f".c{n}{{stroke:{c};fill:{c}}}" for n, (_, c) in enumerate(COLOURS))
    return (
        "text{font:13px system-ui,sans-serif;fill:#1f2328;stroke:none!important}"
        ".page{fill:#fff}.grid{stroke:#d1d9e0}.lead{stroke:#8b949e;stroke-width:.7}"
        f".line{{stroke-width:2.2;fill:none!important}}.dot{{stroke:none!important}}{light}"
        "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.page{fill:#0d1117}.grid{stroke:#30363d}" + dark + "}"
    )
