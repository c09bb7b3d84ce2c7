"""The pytest plugin: the catalogue as a test file, one item a requirement, judged on one recording a session.

`pytest --target-url URL` puts the items of `requirements.toml` into the session, from whatever directory; so does
`--target-reference`, against the embedded reference server, and `--target-app package.module:app`, against an ASGI
application that is served on loopback meanwhile. `::stream.done`, `::stream` and `requirements.toml::stream.done`
select. Without one of the three options there is only the fixture `conformance_of`, which does the same from code, and
importing this module costs next to nothing.

An item shows what the verdict says, it decides nothing: a broken MUST fails with the finding's text, a broken SHOULD is
an xfail (with `--target-strict` it fails), what was not judged is a skip with its reason, a failure of the suite is an
error. The session's exit status is the verdict's exit code.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conformance.contract.catalogue import Requirement
    from conformance.judging.verdict import Outcome
    from conformance.report.report import Report
    from conformance.settings.options import Options

Host = Callable[[], AbstractContextManager[str]]
"""Serves something while the context lasts, and gives its base URL."""

FILE = Path(__file__).parent / "contract" / "requirements.toml"

UNFINISHED = ".unfinished-"
"""Start of a directory's name in which pytest leaves its reports until `kitemesh-conformance run` moves them up."""

_OURS = "kitemesh-conformance-session"
_TOLD = "kitemesh_requirement"
"""Attribute of a test's report."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a run, each behind `--target-`."""
    from conformance.settings.flags import FLAGS

    group = parser.getgroup("kitemesh-conformance", "conformance of a KiteMesh-compatible server")
    group.addoption(
        "--target-url",
        metavar="URL-or-NAME",
        help="Judge the server at this base URL, or of this name in conformance.toml.",
    )
    group.addoption(
        "--target-app",
        metavar="MODULE:APP",
        help="Judge this ASGI application, package.module:app or package.module:create_app(), served on loopback.",
    )
    group.addoption("--target-app-path", metavar="PATH", help="Where its endpoints are [/v1].")
    group.addoption("--target-reference", action="store_true", help="Judge the embedded reference server.")
    for flag in FLAGS:
        text = f"{flag.help.replace('%', '%%')} Or {flag.variable}."
        name = f"--target-{flag.name}"
        match flag.kind:
            case "switch":
                group.addoption(name, action="store_true", help=text)
            case "list" | "header":
                group.addoption(name, action="append", metavar=flag.metavar, default=[], help=text)
            case _:
                group.addoption(name, metavar=flag.metavar, help=text)
    group.addoption("--target-config", metavar="FILE", help="Read this instead of conformance.toml.")
    group.addoption(
        "--conformance-output",
        metavar="DIR",
        help="Write report.html, results.json, summary.md and transcript.har into this directory.",
    )


@pytest.fixture(scope="session")
def conformance_of() -> Callable[..., Report]:
    """`conformance.check_app`: serves an ASGI application on loopback, records a run against it, and judges it."""
    from conformance.running.app import check_app

    return check_app


_TARGETS = ("target_url", "target_app", "target_reference")


def pytest_configure(config: pytest.Config) -> None:
    """Join the session, where one of the three options asks for it."""
    asked = [name for name in _TARGETS if config.getoption(name) not in (None, False)]
    if config.pluginmanager.has_plugin(_OURS) or not asked:
        return
    from conformance.judging.judge import known_failures, selected_ids
    from conformance.report import files
    from conformance.running import discovery
    from conformance.settings.options import UsageError

    if len(asked) > 1:
        one, other = (f"--{name.replace('_', '-')}" for name in asked[:2])
        raise pytest.UsageError(f"{one} and {other} contradict each other; leave one of them out.")
    _refuse_xdist(config)
    output = config.getoption("conformance_output")
    try:
        discovery.discover()
        options = _options(config)
        selected_ids(options)
        known_failures(options)
        host = _host(config)
        if output:
            files.prepare(Path(output))
    except UsageError as error:
        raise pytest.UsageError(re.sub(r"(?<![\w-])--(?=[a-z])", "--target-", str(error))) from None
    except OSError as error:
        raise pytest.UsageError(f"Nothing can be written to {output!r} ({error.strerror}).") from None
    config.pluginmanager.register(Conformance(options, Path(output) if output else None, host=host), _OURS)


def _options(config: pytest.Config) -> Options:
    """What the run is told. Of an application the port is not known yet."""
    from conformance.running import app
    from conformance.settings import config_file as configuration
    from conformance.settings import flags

    given = {flag.key: config.getoption(f"target_{flag.key}") for flag in flags.FLAGS}
    environ = dict(os.environ)
    url = config.getoption("target_url")
    if config.getoption("target_app"):
        url = app.base(config.getoption("target_app_path") or app.PATH)
    elif config.getoption("target_reference"):
        url = configuration.REFERENCE
    file = configuration.find(config.getoption("target_config"), environ)
    return configuration.options(url, given, environ, file)


def _host(config: pytest.Config) -> Host | None:
    """What serves the application; None: the target runs by itself."""
    from conformance.running import app

    if not (spec := config.getoption("target_app")):
        return None
    found = app.load(spec, config.invocation_params.dir)
    return lambda: app.serving(found, config.getoption("target_app_path") or app.PATH)


def _refuse_xdist(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) or config.getoption("dist", "no") != "no" or config.getoption("tx", None):
        raise pytest.UsageError(
            "The conformance suite sends many requests at a time by itself: leave out -n (and --dist, --tx)."
        )


class RequirementBroken(Exception):
    """A requirement failed; the message is the text of its findings."""


class BaselineOutdated(Exception):
    """An entry of the baseline is stale or expired; the message says of each what to do."""


class SuiteFailed(Exception):
    """The suite itself failed on a requirement."""


class RequirementItem(pytest.Item):
    """One requirement."""

    def __init__(self, *, requirement: Requirement, line: int, conformance: Conformance, **rest: Any) -> None:
        """Take the requirement, its line in the catalogue (from 0), and the session that knows its outcome."""
        super().__init__(**rest)
        self.requirement = requirement
        self.line = line
        self.conformance = conformance
        self.extra_keyword_matches.update({requirement.area, requirement.level.value})

    def setup(self) -> None:
        """Tell a failure of the suite apart from one of the target: pytest's "error"."""
        outcome = self.conformance.outcome(self.requirement)
        if outcome.state == "error":
            raise SuiteFailed(f"The suite itself failed on {outcome.requirement.id}: {outcome.reason}")

    def runtest(self) -> None:
        """Pass, fail, xfail or skip as the verdict says."""
        outcome = self.conformance.outcome(self.requirement)
        if outcome.state == "failed":
            if reason := self.conformance.known(self.requirement):
                pytest.xfail(_shown(f"known: {reason}"))
            if outcome.requirement.level == "SHOULD" and not self.conformance.options.strict:
                pytest.xfail(_shown(outcome.findings[0].message))
            raise RequirementBroken(self.conformance.describe(outcome))
        if complaints := self.conformance.complaints(self.requirement):
            raise BaselineOutdated("\n".join(complaints))
        if outcome.state != "passed":
            pytest.skip(_shown(f"{outcome.state.value}: {outcome.reason}"))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The text of the finding, never a traceback of the suite's own code."""
        if isinstance(excinfo.value, RequirementBroken | BaselineOutdated | SuiteFailed | pytest.xfail.Exception):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the requirement stands in the catalogue."""
        return self.path, self.line, self.requirement.id


class CatalogueFile(pytest.File):
    """`requirements.toml`."""

    def __init__(self, *, conformance: Conformance, requirements: Sequence[Requirement], **rest: Any) -> None:
        """Take those requirements of the catalogue that were asked for."""
        super().__init__(**rest)
        self._conformance = conformance
        self._requirements = requirements

    def collect(self) -> Iterable[RequirementItem]:
        """One item a requirement."""
        lines = _lines(self.path)
        for requirement in self._requirements:
            yield RequirementItem.from_parent(
                self,
                name=requirement.id,
                requirement=requirement,
                line=lines.get(requirement.id, 0),
                conformance=self._conformance,
            )


class Conformance:
    """One session: collects, records once, hands out outcomes, writes reports, gives the exit code."""

    def __init__(
        self, options: Options, output: Path | None, *, publishes: bool = True, host: Host | None = None
    ) -> None:
        """Take the session's frame.

        Args:
            options: validated.
            output: directory for the reports; None: none are wanted.
            publishes: whether CI is told here.
            host: what serves the target while it is judged, and gives its URL; None: it runs by itself.
        """
        self._publishes = publishes
        self._host = host
        self.options = options
        self.output = output
        self.report: Report | None = None
        self.failure: BaseException | None = None
        """What the suite raised instead of a report."""
        self.unwritten: OSError | None = None
        """Why the reports could not be written."""
        self.written: list[Path] = []
        self._log: Path | None = None
        """Where pytest.html will be, where there will be one."""
        self._patterns: list[str] = []
        self._others_failed = False

    def pytest_configure(self, config: pytest.Config) -> None:
        """Take those arguments that name requirements away from pytest; without any argument, all of them are meant.

        Raises:
            pytest.UsageError: such an argument names no requirement.
        """
        from conformance.contract.catalogue import UnknownRequirement, load

        self._log = self._place_of_log(config)
        theirs: list[str] = []
        if config.args_source is pytest.Config.ArgsSource.ARGS:
            for argument in config.args:
                path, _, name = argument.partition("::")
                if not _is_catalogue(path, config):
                    theirs.append(argument)
                elif name:
                    self._patterns.append(name)
        try:
            load().select(self._patterns)
        except UnknownRequirement as error:
            raise pytest.UsageError(str(error)) from None
        config.args[:] = theirs
        config.args_source = pytest.Config.ArgsSource.ARGS

    def _place_of_log(self, config: pytest.Config) -> Path | None:
        given = config.getoption("htmlpath", None)
        if not given:
            return None
        log: Path = config.invocation_params.dir / os.path.expanduser(os.path.expandvars(given))
        return log.parent.parent / log.name if log.parent.name.startswith(UNFINISHED) else log

    def outcome(self, requirement: Requirement) -> Outcome:
        """What became of a requirement."""
        if self.report is None:
            raise SuiteFailed("Nothing was recorded.")
        return self.report.verdict[requirement.id]

    def known(self, requirement: Requirement) -> str | None:
        """Why the baseline accepts that this requirement fails; None where it does not."""
        reason = self.report.gate.reason(requirement.id) if self.report else None
        return None if reason is None else _shown(reason)

    def complaints(self, requirement: Requirement) -> list[str]:
        """What is wrong with the baseline's entries on this requirement."""
        return [_shown(text) for text in self.report.gate.complaints(requirement.id)] if self.report else []

    def describe(self, outcome: Outcome) -> str:
        """The text of a failed requirement, with what the baseline says of it."""
        from conformance.report import github
        from conformance.report.breach import describe
        from conformance.report.target import ca_bundle, exchanges_by_name
        from conformance.transcript.excerpt import harmless

        assert self.report is not None  # an outcome comes from it
        text = describe(outcome, exchanges_by_name(self.report.transcript), ca_bundle(self.report.transcript))
        known = self.known(outcome.requirement)
        lines = [text, *([f"  known     {known}"] if known else []), *self.complaints(outcome.requirement)]
        return harmless("\n".join(lines)) if github.active() else "\n".join(lines)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Put the requirements into the session, before -k and --lf choose among them."""
        from conformance.contract.catalogue import load

        catalogue = load()
        requirements = catalogue.select(self._patterns) if self._patterns else list(catalogue)
        file = CatalogueFile.from_parent(
            session, path=FILE, nodeid=FILE.name, conformance=self, requirements=requirements
        )
        items.extend(session.genitems(file))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Record and judge, before the first item."""
        chosen = [item.requirement for item in session.items if isinstance(item, RequirementItem)]
        broken = session.testsfailed and not session.config.option.continue_on_collection_errors
        if not chosen or broken or session.config.option.collectonly:
            return
        try:
            self._record(chosen)
            self._tell_junit(session.config, chosen)
        except KeyboardInterrupt as interrupt:
            self.failure = interrupt
            raise
        except Exception as error:
            self.failure = error
            code, sentence = _told(error)
            if code == 3 and os.environ.get("KITEMESH_DEBUG"):
                raise
            pytest.exit(sentence, returncode=code)

    def _record(self, chosen: Sequence[Requirement]) -> None:
        from conformance.report import files, terminal
        from conformance.report.target import EMBEDDED
        from conformance.running import run

        self.options = narrowed(self.options, chosen)
        target = self.options.url or EMBEDDED
        with self._served(), terminal.meter(terminal.console(stderr=True), target) as watch:
            self.report = run.run(self.options, watch)
        if self.output is not None:
            try:
                self.written += files.write(self.report, self.output, self._log)
            except OSError as error:
                self.unwritten = error

    def _tell_junit(self, config: pytest.Config, chosen: Sequence[Requirement]) -> None:
        """Give junit.xml the run's data and each requirement's level, as properties of the whole suite of tests."""
        from _pytest.junitxml import xml_key

        from conformance.report.target import target_model, target_name

        junit = config.stash.get(xml_key, None)
        if junit is None or self.report is None:
            return
        verdict = self.report.verdict
        told = {
            "verdict": f"{verdict.conclusion.value} ({verdict.scope} scope)",
            "target": target_name(self.report) or "unknown",
            "model": target_model(self.report) or "unknown",
            "seed": str(self.report.seed),
            **{one.id: f"{one.level.value}, source {', '.join(one.sources)}" for one in chosen},
        }
        for name, value in told.items():
            junit.add_global_property(name, _shown(value))

    @contextmanager
    def _served(self) -> Iterator[None]:
        if self._host is None:
            yield
            return
        with self._host() as url:
            self.options = replace(self.options, url=url)
            yield

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give a skip the place of its requirement, and pytest-html the finding."""
        report = yield
        if not isinstance(item, RequirementItem):
            return report
        # Not as user properties: in junit.xml these would stand in a test case, where its schema allows none.
        setattr(report, _TOLD, item.requirement)
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, pytest.skip.Exception):
            report.longrepr = (item.path.name, item.line + 1, f"Skipped: {error.msg}")
        elif isinstance(error, SuiteFailed):
            report.longrepr = str(error)
        elif isinstance(error, RequirementBroken | pytest.xfail.Exception):
            self._attach(item, report)
        return report

    def _attach(self, item: RequirementItem, report: pytest.TestReport) -> None:
        text = self.describe(self.outcome(item.requirement))
        if report.outcome == "skipped":  # an xfail says its reason only
            report.longrepr = text
        if item.config.getoption("htmlpath", None):
            from pytest_html import extras  # type: ignore[import-untyped]

            setattr(report, "extras", [*getattr(report, "extras", []), extras.text(text, name="finding")])  # noqa: B010

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note that a test failed which is none of ours."""
        if report.failed and _requirement(report) is None:
            self._others_failed = True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Give the verdict's exit code, unless something weightier happened beside it."""
        from conformance.report.tally import weightiest

        if self.report is None:
            if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
                session.exitstatus = 4  # what was selected is nothing: nothing was sent
            return
        codes = {int(self.report.exit_code())}
        if exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR):
            codes.add(int(exitstatus))
        if self._others_failed:
            codes.add(1)
        code = weightiest(codes)
        session.exitstatus = code or 4 if self.unwritten else code

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say the verdict after the failures."""
        if self.report is None:
            return
        from conformance.report import github, terminal

        terminalreporter.section("KiteMesh conformance")
        with github.silenced(terminalreporter.write_line):
            terminalreporter.write_line(terminal.text(self.report, self.written).rstrip("\n"))
        if self._publishes:
            try:
                github.publish(self.report, terminalreporter.write_line)
            except OSError as error:
                terminalreporter.write_line(f"The job's summary could not be written ({error.strerror}).")
        if self.unwritten:
            terminalreporter.write_line(f"The reports could not be written: {self.unwritten}")

    @pytest.hookimpl(optionalhook=True)
    def pytest_metadata(self, metadata: dict[str, Any]) -> None:
        """Name the target in pytest-html's table of the environment."""
        metadata["Target"] = self.options.url or "the embedded reference server"
        metadata["Model"] = self.options.model or "the reference server's"

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: Any) -> None:
        """Title the page."""
        report.title = f"KiteMesh conformance of {self.options.url or 'the embedded reference server'}"

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """Put the verdict on top of the page."""
        if self.report is not None:
            verdict = self.report.verdict
            head = f"{verdict.conclusion} ({verdict.scope} scope, exit code {int(self.report.exit_code())})"
            prefix.append(f"<p><strong>{escape(head)}</strong>: {escape(verdict.sentence)}</p>")
            prefix.extend(self._link())

    def _link(self) -> Iterable[str]:
        """From the log to the report, where there are both."""
        from conformance.report import files

        if self._log and self.output and not self.unwritten:
            url = files.url_of(self.output.absolute() / files.REPORT, self._log.absolute().parent)
            if url:
                yield f'<p><a href="{escape(url)}">{files.REPORT}</a>: findings, streams, what was judged and why</p>'

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        """Add the columns."""
        cells[2:2] = [
            f'<th class="sortable" data-column-type="{name.lower()}">{name}</th>'
            for name in ("Requirement", "Level", "Source")
        ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: Any, cells: list[str]) -> None:
        """Fill them; for a test that is none of ours they stay empty."""
        known = _requirement(report)
        told = (known.statement, known.level.value, ", ".join(known.sources)) if known else ("", "", "")
        cells[2:2] = [
            f'<td class="col-{name}">{escape(text)}</td>'
            for name, text in zip(("requirement", "level", "source"), told, strict=True)
        ]


def _shown(text: str) -> str:
    """A line as pytest may print it, wherever that is."""
    from conformance.report import github
    from conformance.transcript.excerpt import excerpt, harmless

    text = excerpt(text, 2000)
    return harmless(text) if github.active() else text


def narrowed(options: Options, chosen: Sequence[Requirement]) -> Options:
    """The options with only the chosen requirements selected, where these are fewer than the catalogue's.

    Raises:
        UsageError: the options had left out every one of them.
    """
    from conformance.judging.judge import CATALOGUE, selected_ids
    from conformance.settings.options import UsageError

    if len(chosen) == len(CATALOGUE):
        return options
    allowed = selected_ids(options)
    ids = tuple(requirement.id for requirement in chosen if allowed is None or requirement.id in allowed)
    if not ids:
        raise UsageError("What was selected was left out by --only or --skip; loosen one of them.")
    return replace(options, only=ids, skip=())


def _told(error: Exception) -> tuple[int, str]:
    """The exit code and the sentence for an exception that came instead of a report."""
    from conformance.settings.options import UsageError

    if isinstance(error, UsageError):
        return 4, str(error)
    return 3, (
        f"The suite itself failed ({type(error).__name__}: {error}); "
        "set KITEMESH_DEBUG=1 for the traceback, and please report it."
    )


def _is_catalogue(path: str, config: pytest.Config) -> bool:
    """Whether an argument's path means our catalogue: nothing before `::`, its path, or its name as in the node ids."""
    if not path:
        return True
    given = config.invocation_params.dir / path
    return given.resolve() == FILE.resolve() if given.exists() else path == FILE.name


def _lines(path: Path) -> dict[str, int]:
    """Requirement id to its line, counted from 0."""
    found: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        if match := re.match(r'id\s*=\s*"([^"]+)"', line):
            found.setdefault(match[1], number)
    return found


def _requirement(report: Any) -> Requirement | None:
    """The requirement that a report of one of our items speaks of; None for any other."""
    return getattr(report, _TOLD, None)
