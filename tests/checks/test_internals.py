"""What shows of a server's inside: each platform's stack traces, and words that only look like it."""

from __future__ import annotations

import json
import re
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from conformance.checks.internals import _LOCATION, KINDS, Held, shown, spellings

PLACES = (
    *(f"x.{end}:3" for end in ("py", "go", "rs", "rb", "java", "kt", "php", "cs", "cpp", "cc", "c", "h", "hpp", "cu",
                               "cuh", "ex", "exs", "erl", "swift", "lua", "hs", "scala")),
    *(f"dist/x.{end}:3" for end in ("js", "ts", "mjs", "cjs")),
    *(f"x.{end}:3:14" for end in ("js", "ts", "mjs", "tsx")),
    'x.py", line 3', "x.py, line 3", "invalid syntax (chat.py, line 3)",
)  # fmt: skip
TRACES = {
    "Python": 'Traceback (most recent call last):\n  File "/app/x.py", line 5, in serve',
    "Python, a frame": '  File "<string>", line 1, in <module>',
    "Python with carets":
        '  File "chat.py", line 5, in create\n    return self.model.run(body)\n           ~~~~~~~~~~~~~~^^^^^^',
    "Python's exception group": "  + Exception Group Traceback (most recent call last):",
    "Node": "Error: x\n    at serve (/app/src/server.js:10:5)",
    "Node, a module": "    at serve (file:///app/x.mjs:10:22)",
    "Node, the top of a module": "    at file:///app/x.mjs:10:22",
    "Node, waiting": "    at async file:///app/dist/server.js:3:7",
    "Node itself": "    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)",
    "Node itself, bare": "    at node:internal/modules/esm/loader:1:2",
    "Node, built in": "    at JSON.parse (<anonymous>)",
    "Node, together": "    at async Promise.all (index 0)",
    "Deno": "    at ext:deno_http/00_serve.ts:369:17",
    "webpack": "    at render (webpack-internal:///./src/page.tsx:10:5)",
    "Java": "x\n\tat com.kite.Chat.serve(Chat.java:55)",
    "Java itself": "\tat java.base/jdk.internal.reflect.NativeMethodAccessorImpl.invoke0(Native Method)",
    "Java without places": "\tat com.kite.Chat.serve(Unknown Source)",
    "Kotlin": "\tat com.kite.ChatKt$serve$1.invokeSuspend(Chat.kt:12)",
    "Scala": "\tat kite.Main$.main(Main.scala:12)",
    ".NET on Linux": "   at App.Chat.Create(Request r) in /src/App/Chat.cs:line 42",
    ".NET on Windows": r"   at App.Chat.Create(Request r) in C:\src\App\Chat.cs:line 42",
    ".NET, a place": "Chat.cs:line 42",
    ".NET without places": "   at App.Chat.Create(Request r)\n   at App.Chat.<Create>d__3.MoveNext()",
    ".NET, an earlier place": "--- End of stack trace from previous location ---",
    "F#": "   at App.Chat.create@12(Unit u) in /src/Chat.fs:line 12",
    "Go": "main.serve()\n\t/go/src/x.go:12 +0x1d",
    "Go, a routine": "goroutine 7 [running]:",
    "Rust": "thread 'main' panicked at src/main.rs:10:5:\nindex out of bounds",
    "Rust, older": "thread 'main' panicked at 'index out of bounds', src/main.rs:10:5",
    "Rust, a frame": "  10: app::chat::create\n             at ./src/chat.rs:42:9",
    "Rust, all frames": "stack backtrace:\n   0: rust_begin_unwind",
    "Ruby": "app.rb:12:in 'x'",
    "Ruby, older": "/srv/app/controllers/chat_controller.rb:12:in `create'",
    "Ruby, a gem": "from gems/rack-3.0.8/lib/rack/builder",
    "PHP": "Uncaught TypeError in /var/www/x.php on line 12",
    "PHP, a frame": "#0 /x.php(12): serve()",
    "PHP, the end": "#1 {main}",
    "PHP on a page": "in <b>/var/www/html/x.php</b> on line <b>12</b>",
    "Elixir": "lib/x.ex:12: Mod.fun/2",
    "Elixir, of a library": "    (app 0.1.0) lib/x.ex:12: Mod.fun/2",
    "Elixir, a template": "lib/app_web/page.html.heex:12: anonymous fn/2",
    "Erlang": '{chat,serve,2,[{file,"src/chat.erl"},{line,12}]}',
    "Erlang, of the library": "(stdlib 3.17) gen_server.erl:695: :gen_server.try_dispatch/4",
    "C++": "/build/src/engine.cpp:123: GGML_ASSERT(n > 0) failed",
    "C++, by glog": "F0101 12:00:00.1 7 engine.cc:45] Check failed: n > 0",
    "C++, by Visual Studio": r"C:\build\engine.cpp(123): error",
    "C++, a header": "Exception raised from check at include/tensor.h:12",
    "C++, a frame": "/lib/x86_64-linux-gnu/libengine(_ZN3foo3barEv+0x12) [0x55d0c0ffee00]",
    "C++, by PyTorch": "frame #0: c10::Error::Error(c10::SourceLocation) + 0x57 (0x7f00c0ffee00 in libc10)",
    "C++, by a sanitizer": "    #0 0x55d0c0ffee in serve",
    "CUDA": "ggml-cuda.cu:45: CUDA error: out of memory",
    "CUDA, far down": "/app/ggml/src/ggml-cuda/ggml-cuda.cu:2434",
    "Swift": "App/Chat.swift:12: Fatal error: Index out of range",
    "Swift, older": "Fatal error: file Chat.swift, line 12",
    "Perl": "Can't locate object method at x.pl line 12.",
    "Perl, reading": "uninitialized value at script line 12, <STDIN> line 3.",
    "Lua": "lua entry thread aborted: runtime error: /usr/local/openresty/x.lua:12: attempt to index",
    "Lua, all frames": "stack traceback:\n\t[C]: in function 'error'",
    "Lua, a chunk": '[string "access"]:12: bad argument',
    "Lua, in nginx": "content_by_lua(nginx.conf:12):3: bad",
    "Haskell": "CallStack (from HasCallStack):\n  error, called at src/Main.hs:12:5 in main:Main",
    "OCaml": 'Raised at file "src/chat.ml", line 12, characters 3-5',
    "Dart": "#0      main (file:///app/bin/x.dart:12:5)",
    "Julia": " @ Main ./x.jl:12",
}  # fmt: skip
PATHS = (
    *(f"/srv/a/b.{end}" for end in ("py", "js", "ts", "rb", "go", "rs", "java", "php", "so", "pyc", "c", "cpp", "sql",
                                    "cs", "ex", "cu")),
    "lib/python3.12/site-packages/", "dist-packages/", "node_modules/", r"Lib\site-packages\x",
    *(f"C:\\x.{end}" for end in ("py", "cs", "dll", "js", "exe")),
)  # fmt: skip
QUERIES = (
    "SELECT a FROM b WHERE",
    "INSERT INTO a VALUES",
    "UPDATE a SET b WHERE",
    "DELETE FROM a WHERE",
    "select a from b where c = 1",
    *(f"{name}.Error" for name in ("psycopg", "psycopg2", "sqlalchemy", "asyncpg", "pymysql", "sqlite3", "pymongo")),
    *(f"{name}.XException" for name in ("org.hibernate", "java.lang", "java.sql", "com.mysql")),
)
INSIDES = (*PLACES, *TRACES.values(), *PATHS, *QUERIES)

INNOCENT = (
    "messages must hold at least one message",
    "llama.cpp", "powered by llama.cpp, build 4521", "llama.cpp:8080 refused the connection", "see llama.cpp (2)",
    "model.cpp", "model.cpp is not a model of this group", "Node.js 20", "node.js:20", "next.js:14", "ASP.NET 8",
    "see docs/errors.md", "see https://docs.example.com/v1/chat/errors.html", "see https://example.com/app.py:12",
    "http://llama.cpp:8080/v1 is not there", "dial tcp api.example.rs:443: connect: connection refused",
    "example.cc:443 did not answer", "upstream example.pl:8080 timed out", "//api.example.rs:443/v1",
    "at 12:30", "resets at 12:30:15 (UTC)", "at lunch (12:30:15)", "ratio 16:9:4", "[fe80::1:2:3]:8080",
    "at host (fe80::1:2:3)", "::1", "127.0.0.1:8080", "version 1.2.3:4", "v2.1.c:3.4.5",
    "/messages/0/role: must be one of user, system", "#/messages/0/content:3", "at messages (index 0)",
    "Unexpected token } in JSON at position 5 (line 1 column 6)", "expected `,` at line 1 column 5",
    "at messages[0] (line 1, column 12)", "Nobody panicked at the sight", "POST /v1/chat/completions takes messages",
    "Select a model from your group, or raise the limit.", "You cannot delete from this group.",
    "Update your plan to set a higher limit where you need it.", "9 p.m:30",
    "group:123e4567-e89b-42d3-a456-426614174000",
    "data.csv, line 3 is too long", "config.yaml:12", "main.tex:5", "report.docx line 4", "fn main() at the top",
    "a frame #1 of the video", "gems/ruby", "0x1f in hex", "it was (+0x1d)", '{"line": 12, "file": "notes.txt"}',
    '<html><head><script src="/app/main.js"></script><link href="/src/x.ts"></head><body>502</body></html>',
    '<p>502 Bad Gateway</p><hr><center>nginx/1.25.3</center>', "cloudflare Ray ID: 8a1:2b3:4",
)  # fmt: skip


def insides(text: str) -> list[str]:
    return [inside.text for spelled in spellings(text) for inside in shown(spelled)]


@pytest.mark.parametrize("inside", INSIDES)
def test_inside_is_seen_in_every_spelling(inside: str) -> None:
    told = f"It failed.\n{inside} \nSorry."
    page = told.replace("&", "&amp;").replace("<b>", "<i>").replace('"', "&quot;")
    for text in (
        told,
        json.dumps({"error": {"message": told}}),
        json.dumps(json.dumps({"message": told})),
        f"<pre>{page}</pre>",
    ):
        assert insides(text), text


@pytest.mark.parametrize("inside", [i for i in INSIDES if i not in QUERIES[:4]])
def test_inside_is_seen_in_any_letter_case(inside: str) -> None:
    assert insides(f"\n{inside.upper()} ")


@pytest.mark.parametrize("text", INNOCENT)
def test_innocent_words_are_not_taken_for_it(text: str) -> None:
    for told in (text, f"Error: {text}", f"It failed.\n{text}\nSorry.", json.dumps({"error": {"message": text}})):
        assert not insides(told)


def test_every_kind_is_shown_here_and_holds_its_marks() -> None:
    told = "\n".join(INSIDES)
    for kind in KINDS:
        matches = [match[0].lower() for match in kind.pattern.finditer(told)]
        assert matches, kind.pattern.pattern
        assert all(any(mark in match for mark in kind.marks) for match in matches), kind.pattern.pattern


@pytest.mark.parametrize("told", TRACES.values())
def test_what_a_request_held_is_known_again_in_part_and_in_other_quotes(told: str) -> None:
    held = Held(json.dumps({"messages": [{"role": "user", "content": f"Why this?\n{told}\nThanks"}]}))
    for echoed in (told, repr(told), json.dumps({"error": {"message": f"bad input: {told}"}}), f"…{told[:-1]}"):
        for spelled in spellings(echoed):
            assert all(inside in held for inside in shown(spelled)), echoed


@pytest.mark.parametrize(
    "pattern", [_LOCATION, *(kind.pattern for kind in KINDS)], ids=lambda p: p.pattern.strip()[:40]
)
def test_what_repeats_without_end_is_one_character(pattern: re.Pattern[str]) -> None:
    # Nested or alternating repetitions without a bound are what takes time by the square of a hostile text's length.
    def look(parsed: Any) -> None:
        for name, value in parsed:
            if str(name) in ("MAX_REPEAT", "MIN_REPEAT") and value[1] is _parser.MAXREPEAT:
                assert len(value[2]) == 1
                assert str(value[2][0][0]) in ("IN", "LITERAL", "CATEGORY")
            for part in value if isinstance(value, (tuple, list)) else (value,):
                for inner in part if isinstance(part, list) else (part,):
                    if isinstance(inner, _parser.SubPattern):
                        look(inner)

    look(_parser.parse(pattern.pattern, pattern.flags))
