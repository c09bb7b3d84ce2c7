"""The fixture and the mark: a test runs once a face, its assertions are its own, and what it sent is judged."""

from __future__ import annotations

import pytest

SENDS = """
import httpx, pytest

def ask(server, **body):
    message = {"role": "user", "content": "Reply with just this word: kite"}
    headers = {"Authorization": "Bearer " + server.token}
    body = {"model": server.model, "messages": [message], **body}
    return httpx.post(server.url + "/chat/completions", json=body, headers=headers, timeout=5)
"""


def run(pytester: pytest.Pytester, test: str, *words: str) -> pytest.RunResult:
    """A pytest of its own with this plugin alone: others that are installed take seconds to load."""
    pytester.makepyfile(SENDS + test)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        return pytester.runpytest_subprocess("-p", "conformance.plugin", "-p", "no:cacheprovider", "-q", *words)


def test_a_test_meets_the_plain_server(pytester):
    done = run(pytester, """
def test_it(kitemesh_server):
    assert kitemesh_server.face == "plain"
    assert ask(kitemesh_server).json()["choices"][0]["message"]["content"] == "kite"
    assert [made.status for made in kitemesh_server.exchanges] == [200]
    assert kitemesh_server.variables["OPENAI_BASE_URL"] == kitemesh_server.url
    assert kitemesh_server.report()["client.token"].state == "passed"
""")  # fmt: skip
    done.assert_outcomes(passed=1)


def test_the_mark_runs_it_once_a_face(pytester):
    done = run(pytester, """
@pytest.mark.kitemesh_faces("json-p*", "sse-crlf")
def test_it(kitemesh_server):
    assert ask(kitemesh_server).json()["choices"]

@pytest.mark.kitemesh_faces("refuses-all-by-422")
def test_another(kitemesh_server):
    assert ask(kitemesh_server).status_code == (200 if kitemesh_server.face == "plain" else 422)
""", "-vv", "--strict-markers")  # fmt: skip
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*test_it[[]plain] PASSED*", "*test_it[[]json-pretty] PASSED*"])


def test_all_variations_have_a_name(pytester):
    done = run(pytester, """
@pytest.mark.kitemesh_faces("variations")
def test_it(kitemesh_server): ...
""", "--collect-only")  # fmt: skip
    assert len([line for line in done.outlines if "test_it[" in line]) > 100


def test_what_it_sent_is_judged_beside_its_assertions(pytester):
    done = run(pytester, """
def test_must(kitemesh_server):
    ask(kitemesh_server, temperature=3)

def test_should(kitemesh_server):
    for _ in range(2):
        httpx.post(kitemesh_server.url + "/chat/completions?key=" + kitemesh_server.token, json={})
""")  # fmt: skip
    out = done.stdout.str()
    assert "client.request-valid (MUST): The client sends bodies that the request schema allows." in out
    assert "/temperature of the request" in out
    assert "client.token (MUST)" in out
    assert "client.token-nowhere-else (SHOULD)" in out
    assert "km_reference" not in out.replace("Bearer", "")
    done.assert_outcomes(passed=2, errors=2, warnings=2)


def test_a_slip_of_the_pen_is_told(pytester):
    done = run(pytester, """
@pytest.mark.kitemesh_faces("sse-crfl")
def test_it(kitemesh_server): ...
""")  # fmt: skip
    assert (
        "kitemesh_faces knows nothing called 'sse-crfl': did you mean sse-crlf" in done.stdout.str() + done.stderr.str()
    )
