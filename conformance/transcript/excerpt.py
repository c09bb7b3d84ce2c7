r"""Text that a stranger sent, made safe to look at: whatever could move a cursor, hide or reorder text becomes visible.

Every report shows the target's text through here. What is not printable is written as an escape (`\x1b`, `\u202e`,
`\U000e0041`), so the result holds no control character, no bidirectional control, no lone surrogate and no line end.
A backslash that the text held itself stays as it is: this is for reading, not for decoding.
"""

from __future__ import annotations

import re
import unicodedata

MOST = 400
"""Characters of an excerpt, by default."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""General categories that have no glyph of their own, or that change how others are shown."""

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def excerpt(text: str, most: int = MOST) -> str:
    """The text on one line, escaped, with at most `most` of its characters and then how many were left out."""
    shown = visible(text[:most])
    left = len(text) - most
    return shown if left <= 0 else f"{shown}… ({left:,} more)"


def harmless(text: str) -> str:
    """The text with nothing in it that GitHub's runner takes for a command, for where it cannot be told to stop that.

    It takes a line that begins with `::`, and `##[` anywhere.
    """
    return re.sub(r"^(\s*:)(?=:)", r"\1\\", text, flags=re.MULTILINE).replace("##[", "##\\[")


def visible(text: str) -> str:
    """The text with every character that cannot be seen written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if is_visible(c) else _escaped(c) for c in text)


def is_visible(character: str) -> bool:
    """Whether a character can be shown as it is."""
    return unicodedata.category(character) not in _HIDDEN


def _escaped(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
