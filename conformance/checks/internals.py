"""What a text shows of a server's inside: stack traces, source paths and queries, of any platform.

Two ways of looking. *Locations* (`lib/x.ex:12:`, `Chat.cs:line 42`, `x.php(12)`) are found by their end, a source
file's extension with a line after it, and read backwards to their beginning, so that a name which could be a host, a
page or a product can be told from a source file. *Kinds* are the patterns of everything else, each with marks: every
match of its pattern holds one of them in some letter case. Hardly any text holds one, and to look for them is cheap.

Every pattern is bounded and takes time in proportion to the text's length: what is looked at comes from strangers.

Source: contract, error.no-internals.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

LOOKED_AT = 200_000
"""Characters of a text that are looked at."""
MOST = 500
"""Places that are looked at in one text."""
_SHORT = 1_000
"""Characters of a text that may well come again."""
_LONGEST = 200
"""The most characters of a path."""
_FLAGS = re.VERBOSE | re.MULTILINE | re.IGNORECASE | re.ASCII

_COMPILED = (
    "pyx", "pyc", "rb", "erb", "go", "java", "kt", "kts", "scala", "groovy", "clj", "php", "ex", "exs", "eex", "heex",
    "leex", "erl", "hrl", "swift", "lua", "c", "cpp", "cxx", "cuh", "h", "hh", "hpp", "hxx", "cs", "fs", "vb", "cshtml",
    "razor", "hs", "jl", "nim", "zig", "dart",
)  # fmt: skip
_HOSTLIKE = ("py", "rs", "pl", "pm", "cc", "cu", "ml", "cr")
"""Extensions that are top-level domains as well."""
_SCRIPTS = ("js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts")
"""Extensions that names of products and pages end with (Node.js:20): a line alone makes no location of a bare name."""
_SOURCES = "|".join(sorted([*_COMPILED, *_HOSTLIKE, *_SCRIPTS], key=len, reverse=True))
_ROOTS = "usr|home|opt|srv|var|app|root|etc|tmp|workspace|build|builds|code|src|go|nix|mnt|private|Users"
_PORTS = frozenset({80, 443, 3000, 5000, 5432, 6379, 8000, 8001, 8080, 8081, 8443, 8888, 9000, 9090, 11434})
_PRODUCT = re.compile(r"(llama|whisper|stable-diffusion|bert|clip|rwkv|bark|gemma|chatglm|node|next|vue|express)\.\w+")
"""Names of products that end like source files, in lower case."""

_LOCATION = re.compile(
    rf"""
    \. (?P<extension>{_SOURCES})
    (?P<line>
      : (line\ )? (?P<number>\d{{1,7}}) (?P<column>:\d+)? (?![\w.]*\w)
    | \( \d{{1,6}} (,\ ?\d{{1,6}})? \)
    | (\\?["'])? ,? \ (on\ )? line \ \d+
    )
    """,
    _FLAGS,
)
_PATH = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@+~/\\:%$-")
_FOREIGN = re.compile(r"(?<!file)(?<!webpack)(?<!webpack-internal)(?<!webkit-masked-url)://", re.IGNORECASE)
"""An address: what follows it is not a source path."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A piece of a server's inside."""

    start: int
    """Index of its first character."""
    text: str
    core: str
    """What of it a request may have held: of a stack frame the place."""


@dataclass(frozen=True, slots=True)
class LeakKind:
    """One kind of inside."""

    marks: tuple[str, ...]
    """In lower case; every match holds one of them."""
    pattern: re.Pattern[str]
    """The group `core`, where there is one, is what a request may have held."""


def _kind(pattern: str, *marks: str, flags: re.RegexFlag = _FLAGS) -> LeakKind:
    return LeakKind(marks, re.compile(pattern, flags))


_CASED = re.VERBOSE | re.DOTALL | re.ASCII

KINDS = (
    # Python
    _kind(r"Traceback\ \(most\ recent\ call\ last\)", "traceback"),
    _kind(r'File\ \\?"[^"\n]{0,200}\\?",?\ line\ \d+', " line "),
    # Node, Deno, Bun, browsers: a frame is `at name (place)`
    _kind(r"^[ \t]* at\ [^\n()]{1,160} \( (?P<core> (?=[^()\n]{0,200}[/.<\\]) [^()\n]{1,200} :\d+:\d+ ) \)", "at "),
    _kind(r"^[ \t]* at\ [\w$.<>\ ]{1,120}\ \( (native | <anonymous>) \)", "(native)", "(<anonymous>)"),
    _kind(r"\bat\ async\ Promise\.\w{1,20}\ \(index\ \d+\)", "at async promise."),
    _kind(r"\b(node:internal|ext:deno_\w{1,40})/[\w/.-]{1,120}", "node:internal/", "ext:deno_"),
    # Java, Kotlin, Scala, Groovy, Clojure
    _kind(
        r"\bat\ [\w$.<>/@-]{1,160} \( (Native\ Method | Unknown\ Source | [\w$-]{1,80}\.(java|kt|scala|groovy|clj)) \b",
        "(native method", "(unknown source", ".java", ".kt", ".scala", ".groovy", ".clj",
    ),
    _kind(r"\b(org\.hibernate|java\.lang|java\.sql|com\.mysql)\b [\w.]{0,120}(Error|Exception)", "java.", ".hibernate",
          ".mysql"),
    # .NET: two frames, one below the other, where there are no places
    _kind(
        r"^[ \t]* at\ [\w`<>|+\[\],$]{1,80}\.[\w`<>|+\[\],.$]{1,160}\([^()\n]{0,200}\) [ \t]*\r?\n"
        r"[ \t]* at\ [\w`<>|+\[\],$]{1,80}\.[\w`<>|+\[\],.$]{1,160}\(",
        "at ",
    ),
    _kind(r"---\ End\ of\ (inner\ exception\ )?stack\ trace", "--- end of"),
    # Go, Rust, Lua, Erlang, PHP, Perl
    _kind(r"\bgoroutine\ \d+\ \[", "goroutine"),
    _kind(r"panicked\ at\ (\\?['\"] | [\w./\\-]{1,120}\.rs:\d+)", "panicked"),
    _kind(r"\bstack\ (backtrace|traceback):", "stack backtrace", "stack traceback"),
    _kind(r'\[string\ \\?"[^"\n]{1,120}\\?"\]:\d+', "[string "),
    _kind(r"_by_lua\w{0,20}\([\w.]{1,60}:\d+\)", "_by_lua"),
    _kind(r'\{file,\s?\\?"[^"\n]{1,200}\\?"\},\s?\{line,\s?\d+\}', "{file,"),
    _kind(r"\#\d+\ \{main\}", "{main}"),
    _kind(r"\bat\ [^\s,]{1,120}\ line\ \d+,\ <\w{1,20}>\ (line|chunk)\ \d+", "> line ", "> chunk "),
    # C and C++
    _kind(r"\([\w.$]{0,200}\+0x[0-9a-f]{1,12}\)\ ?\[0x[0-9a-f]{4,16}\]", "+0x"),
    _kind(r"\#\d+:?\ +0x[0-9a-f]{6,16}\ in\ ", "0x"),
    _kind(r"\bframe\ \#\d+:\ [^\n]{1,300}\+\ 0x[0-9a-f]{1,12}\ \(0x", "frame #"),
    # Paths without a line
    _kind(
        rf"""(?<![\w.:/-])(?<!src=["'])(?<!href=["'])(?<!src=\\["'])(?<!href=\\["'])
        (?P<core> /({_ROOTS}) / [\w.+@-]{{1,80}}(/[\w.+@-]{{1,80}}){{0,30}}\.({_SOURCES}|so|sql)\b )""",
        *(f"/{root.lower()}/" for root in _ROOTS.split("|")),
    ),
    _kind(r"(site-packages|dist-packages|node_modules)[/\\]", "packages/", "packages\\", "node_modules"),
    _kind(r"\bgems/[\w-]{1,60}-\d+\.\d", "gems/"),
    _kind(rf"\b[A-Za-z]:\\\\?[\w.\\\ -]{{1,120}}\.({_SOURCES}|dll|exe|pdb)\b", ":\\"),
    # Queries, and the drivers that tell of them
    _kind(r"\bSELECT\b (?>.{1,200}?\bFROM\b) .{1,200}? \b(WHERE|LIMIT|ORDER\ BY|JOIN)\b", "select", flags=_CASED),
    _kind(r"\bINSERT\ INTO\b .{1,200}? \bVALUES\b", "insert", flags=_CASED),
    _kind(r"\bUPDATE\b\ \S{1,60}\ \bSET\b .{1,200}? \bWHERE\b", "update", flags=_CASED),
    _kind(r"\bDELETE\ FROM\b\ \S{1,60}\ \bWHERE\b", "delete", flags=_CASED),
    _kind(
        r"""\bselect\ [\w.*",\ ]{1,120}\ from\ [\w."]{1,60}\ (where|limit|order\ by|join)\ [\w."]{1,60}
        \ ?(=|<|>|in\b|is\b|like\b|\$|\?|%s|:)""",
        "select",
    ),
    _kind(
        r"\b(psycopg2?|sqlalchemy|asyncpg|pymysql|sqlite3|pymongo)\b [\w.]{0,120}(Error|Exception)",
        "psycopg", "sqlalchemy", "asyncpg", "pymysql", "sqlite3", "pymongo",
    ),
)  # fmt: skip


def shown(text: str) -> Sequence[Leak]:
    """Every piece of a server's inside that a text shows, kind by kind."""
    return _shown_again(text) if len(text) <= _SHORT else tuple(_shown(text[:LOOKED_AT]))


def _shown(text: str) -> Iterator[Leak]:
    yield from locations(text)
    lower = text.lower()
    for kind in KINDS:
        if any(mark in lower for mark in kind.marks):
            for match in kind.pattern.finditer(text):
                core = match["core"] if "core" in kind.pattern.groupindex else match[0]
                yield Leak(match.start(), match[0], core)


@lru_cache(maxsize=8192)
def _shown_again(text: str) -> tuple[Leak, ...]:
    """Kept: a target's header fields are the same in all of its answers."""
    return tuple(_shown(text))


def locations(text: str) -> Iterator[Leak]:
    """Every source file with a line."""
    for match in islice(_LOCATION.finditer(text), MOST):
        start = match.start()
        first = max(0, start - _LONGEST)
        while start > first and text[start - 1] in _PATH:
            start -= 1
        stem = text[start : match.start()]
        if _is_source(stem, match):
            told = text[start : match.end()]
            yield Leak(start, told, told)


def _is_source(stem: str, match: re.Match[str]) -> bool:
    """True where a name with an extension and a line can be nothing but a source file."""
    extension = match["extension"].lower()
    name = re.split(r"[/\\]", stem)[-1].rpartition(":")[2]
    if not name.strip(".-") or not re.search("[A-Za-z]", name) or _FOREIGN.search(stem):
        return False
    if match["number"] is None or match["column"] or match["line"].lower().startswith(":line"):
        return not match["line"].startswith("(") or extension not in _SCRIPTS or "," in match["line"]
    within = re.search(r"[^/\\][/\\]|^\.?[/\\][^/\\]", stem) is not None
    if extension in _SCRIPTS:
        return within
    if extension in _HOSTLIKE:
        return within + ("." not in name) + (int(match["number"]) not in _PORTS) > 1
    return within or not _PRODUCT.fullmatch(f"{name}.{extension}".lower())


def spellings(body: str) -> Iterator[str]:
    """An answer's text as it may be read: as it is, out of JSON, and out of a page.

    In JSON a stack trace's line ends and quotes are escaped, in JSON within JSON twice; on a page it stands between
    tags.
    """
    plain = body[:LOOKED_AT]
    yield plain
    for _ in range(2):
        if "\\" in plain:
            plain = _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), plain)
            yield plain
    if "&" in plain or "</" in plain:
        yield html.unescape(_TAG.sub("", plain))


_TAG = re.compile(r"<[^<>]{0,200}>")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "r": "", "t": "\t"}
_QUOTING = re.compile(r"""\\[nrt]|[\\\s"'`,]""")
"""What quoting and escaping add or change."""


class Held:
    """What a request held, to know it again in an answer: in part, quoted again, with or without its tags."""

    def __init__(self, sent: str) -> None:
        self._sent = tuple(_bare(text) for text in (sent, _TAG.sub("", sent)))

    def __contains__(self, inside: Leak) -> bool:
        core = _bare(inside.core).lstrip("./:-")
        return any(core in sent for sent in self._sent)


def _bare(text: str) -> str:
    return _QUOTING.sub("", html.unescape(text)).lower()
