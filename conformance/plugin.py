"""The pytest plugin: the catalogue as a test file, one item a requirement, judged on one recording a session.

`pytest --target-url URL` puts the items of `requirements.toml` into the session, from whatever directory; so does
`--target-reference`, against the embedded reference server, and `--target-app package.module:app`, against an ASGI
application that is served on loopback meanwhile. `::stream.done`, `::stream` and `requirements.toml::stream.done`
select. Without one of the three options there are only fixtures, and importing this module costs next to nothing:
`conformance_of` judges an application from code, `kitemesh_server` serves the reference server to the tests of a client
(once for each face that the mark `kitemesh_faces` names) and judges what they sent.

An item shows what the verdict says, it decides nothing: a broken MUST fails with the finding's text, a broken SHOULD is
an xfail (with `--target-strict` it fails), what was not judged is a skip with its reason, a failure of the suite is an
error. The session's exit status is the verdict's exit code.

Here are the hooks only; what they do is in `conformance.pytest_session`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

from conformance.pytest_session import arguments
from conformance.pytest_session.items import RequirementItem, collected, explain, requirement_of

if TYPE_CHECKING:
    from conformance.client.testing import KiteMeshServer
    from conformance.pytest_session.session import Session
    from conformance.report.report import Report

_NAME = "kitemesh-conformance-session"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a run, each after `--target-`."""
    arguments.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Join the session, where one of the three options asks for it; declare the mark."""
    config.addinivalue_line(
        "markers",
        "kitemesh_faces(*names): run the test once for each of these faces of kitemesh_server, such as 'variations'.",
    )
    if arguments.asked(config) and not config.pluginmanager.has_plugin(_NAME):
        config.pluginmanager.register(SessionHooks(arguments.session(config)), _NAME)


@pytest.fixture(scope="session")
def conformance_of() -> Callable[..., Report]:
    """`conformance.check_app`: serves an ASGI application on loopback, records a run against it, and judges it."""
    from conformance.running.app import check_app

    return check_app


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that bears the mark once for each face."""
    mark = metafunc.definition.get_closest_marker("kitemesh_faces")
    if mark is None or "kitemesh_server" not in metafunc.fixturenames:
        return
    from conformance.client.testing import marked
    from conformance.settings.options import UsageError

    try:
        faces = marked(*mark.args)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    metafunc.parametrize("kitemesh_server", faces, indirect=True, ids=[face.id for face in faces])


@pytest.fixture
def kitemesh_server(request: pytest.FixtureRequest) -> Generator[KiteMeshServer, None, None]:
    """The reference server, plain or with the face of the mark `kitemesh_faces`; in the end what was sent is judged.

    It has `url`, `token`, `model`, `approval_prompt`, `variables`, `face`, `exchanges` and `report()`. A broken MUST
    fails, a broken SHOULD warns.
    """
    import warnings

    from conformance.client.faces import PLAIN, one
    from conformance.client.testing import server
    from conformance.report.breach import describe
    from conformance.report.tally import broken
    from conformance.report.target import exchanges_by_name

    with server(getattr(request, "param", None) or one(PLAIN)) as serving:
        yield serving
    report = serving.report()
    told = exchanges_by_name(report.transcript)
    for outcome in broken(report.verdict):
        if not report.verdict.counts(outcome):
            warnings.warn(describe(outcome, told), stacklevel=2)
    if must := [describe(outcome, told) for outcome in broken(report.verdict) if report.verdict.counts(outcome)]:
        pytest.fail("\n".join(must), pytrace=False)


class SessionHooks:
    """The hooks of a session that judges a target."""

    def __init__(self, session: Session, *, publishes: bool = True) -> None:
        """Take the session, and whether CI is told here."""
        self._run = session
        self._publishes = publishes
        self._patterns: list[str] = []
        self._others_failed = False

    @property
    def _target(self) -> str:
        return self._run.target or self._run.options.url or "the embedded reference server"

    def pytest_configure(self, config: pytest.Config) -> None:
        """Take the arguments that name requirements, before pytest looks for files of these names."""
        from conformance.pytest_session.session import log_of

        self._run.log = log_of(config)
        self._patterns = arguments.take_patterns(config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Put the requirements into the session, before -k and --lf choose among them."""
        items.extend(collected(session, self._run, self._patterns))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Record and judge, before the first item."""
        from conformance.pytest_session import junit
        from conformance.pytest_session.session import failure

        chosen = [item.requirement for item in session.items if isinstance(item, RequirementItem)]
        broken = session.testsfailed and not session.config.option.continue_on_collection_errors
        if not chosen or broken or session.config.option.collectonly:
            return
        try:
            junit.tell(session.config, self._run.record(chosen), chosen)
        except KeyboardInterrupt as interrupt:
            self._run.failure = interrupt
            raise
        except Exception as error:
            self._run.failure = error
            code, sentence = failure(error)
            if code == 3 and os.environ.get("KITEMESH_DEBUG"):
                raise
            pytest.exit(sentence, returncode=code)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Say in an item's report what pytest does not know of it."""
        report = yield
        if isinstance(item, RequirementItem):
            explain(item, call, report)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note that a test failed which is not of the catalogue."""
        self._others_failed |= report.failed and requirement_of(report) is None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Give the verdict's exit code, unless something weightier happened beside it."""
        status = self._run.exit_status(exitstatus, others_failed=self._others_failed)
        if status is not None:
            session.exitstatus = status

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say the verdict after the failures."""
        from conformance.pytest_session import terminal

        terminal.tell(self._run, terminalreporter, publishes=self._publishes)

    @pytest.hookimpl(optionalhook=True)
    def pytest_metadata(self, metadata: dict[str, Any]) -> None:
        """Name the target in pytest-html's table of the environment."""
        if not self._publishes:  # nothing but the catalogue: what else pytest has on board does not matter
            metadata.clear()
        metadata["Target"] = self._target
        metadata["Model"] = self._run.options.model or "the reference server's"

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: Any) -> None:
        """Title the page."""
        report.title = f"KiteMesh conformance of {self._target}"

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Put the verdict on top of the page."""
        from conformance.pytest_session import html

        prefix.extend(html.summary(self._run))

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Add the columns."""
        from conformance.pytest_session import html

        html.header(cells)

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """Fill them."""
        from conformance.pytest_session import html

        html.row(report, cells)
