"""The marks by which texts are chosen that may show a server's inside: each kind of inside holds one."""

from __future__ import annotations

import pytest

from conformance.checks.error import _INTERNALS, _may_show_internals

INSIDES = (
    "Traceback (most recent call last)",
    'File "x", line 3',
    'File \\"x\\", line 3',
    "   at serve (x:10:5)",
    "at serve (x.kt:5",
    "goroutine 7 [",
    "panicked at 'x'",
    *(f"/srv/a/b.{end}" for end in ("py", "js", "ts", "rb", "go", "rs", "java", "php", "so", "pyc", "c", "cpp", "sql")),
    *("site-packages/", "dist-packages/", "node_modules/"),
    *(f"C:\\x.{end}" for end in ("py", "cs", "dll", "js", "exe")),
    *(f"x.{end}:3" for end in ("py", "go", "rs", "rb", "java", "php", "cs")),
    'x.py", line 3',
    "SELECT a FROM b WHERE",
    "INSERT INTO a VALUES",
    "UPDATE a SET b WHERE",
    "DELETE FROM a WHERE",
    "select a from b where c = 1",
    *(f"{name}.Error" for name in ("psycopg", "psycopg2", "sqlalchemy", "asyncpg", "pymysql", "sqlite3", "pymongo")),
    *(f"{name}.XException" for name in ("org.hibernate", "java.lang", "java.sql", "com.mysql")),
)


@pytest.mark.parametrize("inside", INSIDES)
def test_inside_is_looked_for_where_it_is(inside: str) -> None:
    for text in (inside, f'{{"message": "{inside} "}}\n{inside}'):
        assert _INTERNALS.search(text)
        assert _may_show_internals(text)


@pytest.mark.parametrize("inside", [i for i in INSIDES if not any(w in i for w in ("SELECT", "INSERT", "SET", "DEL"))])
def test_in_any_letter_case(inside: str) -> None:
    assert _INTERNALS.search(inside.upper())
    assert _may_show_internals(inside.upper())


def test_letters_that_stand_for_ascii_ones_are_looked_at() -> None:
    assert _INTERNALS.search("ſite-packages/")  # the long s, which is an s in another case
    assert _may_show_internals("ſite-packages/")


def test_plain_words_are_not_looked_through() -> None:
    assert not _may_show_internals("messages must hold at least one message")
