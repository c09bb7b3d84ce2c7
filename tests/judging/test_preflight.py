"""What is wrong around a target is told in one sentence, after at most four requests, and blames no requirement."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from judging.preflight.playing import Certificates, Stage, closed_port
from judging.preflight.rows import ROWS, Row
from made_up import REPORTS, exchange
from wire.raw_server import RawServer, Script, unaccepting

from conformance.judging import judge as judging
from conformance.judging import preflight
from conformance.judging.result import Result
from conformance.judging.verdict import State
from conformance.probes import hostile
from conformance.reference.settings import DEFAULT_MODEL
from conformance.report import files, terminal
from conformance.running import run
from conformance.settings.options import Depth, Options
from conformance.transcript import har_reader
from conformance.transcript.exchange import Ending
from conformance.wire.limits import Limits

TOKEN = "km_secret_token"
SHORT = Limits(connect=0.2, first_byte=0.2, idle=0.2, total=0.3, waiting=2)
UNJUDGED = {State.NOT_EXERCISED, State.NOT_APPLICABLE, State.NOT_SELECTED}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits as short as they can be."""
    monkeypatch.setattr(run, "record", functools.partial(run.record, patience=0.001))
    monkeypatch.setattr(hostile, "RECOVERS", 0.01)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def played(
    row: Row, stage: Stage, certificates: Certificates, options: dict[str, object]
) -> tuple[Result, RawServer | None]:
    """A run against what a row plays; gives the report, and what the server got."""
    with ExitStack() as stack:
        server: RawServer | None = None
        host = "127.0.0.1"
        match row.place:
            case "closed":
                port = closed_port()
            case "unaccepting":
                port = stack.enter_context(unaccepting())
            case "server":
                server = stack.enter_context(stage.serving(_server(row, certificates)))
                port = server.port
            case name:
                host, port = name, 80
        given: dict[str, object] = {"url": f"{row.scheme}://{host}:{port}{row.path}"}
        if row.through:
            given = {"url": f"{row.scheme}://target.test{row.path}", "proxy": f"{row.through}{host}:{port}"}
        for name, value in row.options.items():
            made = {"{port}": str(port), "{pem}": str(certificates.of("good")) if row.scheme == "https" else ""}
            given[name] = _filled(value, made)
        told = Options(
            model=DEFAULT_MODEL,
            token=TOKEN,
            ca_bundle=str(certificates.of(row.tls if row.tls in ("expired", "other-name") else "good"))
            if row.tls and row.trusted
            else None,
            seed=1,
            approvals=False,
            **{"depth": Depth.QUICK, **given, **options},  # type: ignore[arg-type]
        )
        return run.run(told), server


def _filled(value: object, made: dict[str, str]) -> object:
    """A value of a row with what is only known once it is played."""
    if isinstance(value, tuple):
        return tuple(_filled(one, made) for one in value)
    for name, text in made.items():
        value = value.replace(name, text) if isinstance(value, str) and not isinstance(value, Depth) else value
    return value


def _server(row: Row, certificates: Certificates) -> RawServer:
    play = row.play
    assert play is not None
    context = certificates.context(row.tls) if row.tls else None

    async def choose(request: bytes) -> Script:
        script = play(request)
        if not isinstance(script, list):
            return script  # type: ignore[return-value]
        port = str(server.port).encode()
        return [(delay, act.replace(b"{port}", port) if isinstance(act, bytes) else act) for delay, act in script]

    if row.greets:
        server = RawServer([(0.0, row.greets)], greet=True)
    else:
        server = RawServer(choose=choose, context=context)
    return server


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_edge(
    row: Row, stage: Stage, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (row.tls or "{pem}" in row.options.values()) and shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificates, is not installed")
    for name, value in row.environ.items():
        monkeypatch.setenv(name, value)
    if row.hangs:
        monkeypatch.setattr(run, "record", functools.partial(run.record, limits=SHORT))
    report, server = played(row, stage, certificates, {})
    sentence = report.verdict.sentence
    words = "\n".join((sentence, *report.notes))
    for part in row.says:
        assert part in words, words
    assert report.exit_code() == row.exit, words
    failed = {outcome.requirement.id for outcome in report.verdict.outcomes if outcome.state is State.FAILED}
    seen = preflight.seen_in(report.transcript, report.transcript.options)
    if not row.judged:
        _is_settled(row, report, tmp_path)
        assert seen is not None
        found = preflight.situation(seen)
        assert found is not None
        assert found[0].id in row.rule.split("|")
        assert failed == set()
        if server is not None and not row.greets:
            assert len(server.requests) <= row.requests <= preflight.MOST
    else:
        assert preflight.settled(report.transcript) == ""
        assert row.failed is None or failed == row.failed


def _is_settled(row: Row, report: Result, directory: Path) -> None:
    """One sentence, escaped and bounded; no requirement judged; the same sentence offline; no badge."""
    sentence = report.verdict.sentence
    assert sentence == report.verdict.trouble
    assert sentence.isprintable()
    assert len(sentence) < 700
    assert sentence.endswith((".", ":port}"))
    assert TOKEN not in sentence
    assert {outcome.state for outcome in report.verdict.outcomes} <= UNJUDGED
    assert len(report.transcript) <= preflight.MOST
    written = {path.name for path in files.write(report, directory)}
    assert written == REPORTS
    again = judging.judge(har_reader.load((directory / "transcript.har").read_bytes()))
    assert again.verdict.sentence == sentence
    assert (again.exit_code(), again.verdict.outcomes) == (report.exit_code(), report.verdict.outcomes)
    assert sentence[:60] in " ".join(terminal.text(report).split())


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        ("[SSL: BAD_EXTENSION] bad extension (_ssl.c:1006)", "http2-unspoken"),  # Apache without h2 names http/1.1
        ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure (_ssl.c:1006)", "tls-failed"),
    ],
)
def test_what_only_some_programs_bring_about(told: str, rule: str) -> None:
    failed = replace(exchange(), response=None, ending=Ending.TLS, error=f"ConnectError: {told}")
    seen = preflight.FirstAnswers("https://api.example.com/v1", preflight.FirstReply(failed), reach={"http": "2"})
    found = preflight.situation(seen)
    assert found is not None
    assert found[0].id == rule


def test_there_are_enough_rows_and_each_rule_has_one() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS) >= 60
    assert {rule for row in ROWS for rule in row.rule.split("|")} >= {rule.id for rule in preflight.RULES} - {
        "unreachable",
        "unreadable",
        "unknown",
    }
