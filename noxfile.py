"""Sessions for developers: `nox` runs lint, types and tests; `nox -s conformance -- URL --model …` judges a server."""

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]


NPM = ("npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")


def _modules(session: nox.Session, *packages: str) -> Path:
    """Install npm packages in nox's temporary folder; gives their `node_modules`."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        session.error("node and npm are needed for this and were not found; install Node.js 20 or later with npm.")
    elsewhere = Path(session.create_tmp()).resolve()
    session.run(*NPM, f"--prefix={elsewhere}", *packages, external=True)
    return elsewhere / "node_modules"


def _apart(session: nox.Session, name: str, *packages: str) -> Path:
    """Install packages into an environment of their own in nox's temporary folder; gives the folder of its programs."""
    folder = Path(session.create_tmp()).resolve() / name
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    if not folder.exists():
        session.run("python", "-m", "venv", str(folder))
    session.run(str(programs / "python"), "-m", "pip", "install", "-q", *packages, external=True)
    return programs


@nox.session
def tests(session: nox.Session) -> None:
    """Run the suite's own tests; arguments go to pytest."""
    session.install("-e", ".[sdk,soak,dev]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    session.install("-e", ".[sdk,dev]")
    session.run("mypy")


@nox.session
def conformance(session: nox.Session) -> None:
    """Judge a server; arguments go to `kitemesh-conformance run`. Without any, the reference server is judged."""
    session.install("-e", ".[sdk]")
    session.run("kitemesh-conformance", "run", "--pytest-html", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Remove the body of each check in turn: the tests have to notice."""
    session.install("-e", ".[sdk,dev]")
    session.run("pytest", "tests/checks/test_changed_answers.py", *session.posargs)


@nox.session
def hostile(session: nox.Session) -> None:
    """10,000 hostile answers, spread over every place of every kind of answer: no check may raise."""
    session.install("-e", ".[sdk,dev]")
    session.run("pytest", "tests/checks/test_changes.py", *session.posargs, env={"KITEMESH_HOSTILE_ANSWERS": "10000"})


@nox.session
def independent(session: nox.Session) -> None:
    """The suite on every fault and variation of a server that shares no code with it."""
    session.install("-e", ".[sdk,dev]")
    session.run("pytest", "tests/studies/independent", *session.posargs, env={"KITEMESH_INDEPENDENT": "all"})


@nox.session
def prove(session: nox.Session) -> None:
    """Prove the suite on the reference server's faults and variations; `nox -s prove -- --all` takes all of them."""
    session.install("-e", ".[sdk]")
    session.run("kitemesh-conformance", "prove", *session.posargs)


@nox.session
def proof(session: nox.Session) -> None:
    """Prove the suite on every mutant; writes reports/proof.md, proof.json and mutation.json."""
    session.install("-e", ".[sdk]")
    session.run("kitemesh-conformance", "prove", "--mutants", *(session.posargs or ("--output", "reports")))


@nox.session
def seeds(session: nox.Session) -> None:
    """100 seeds: each finds every rule that is broken only where traits of a body meet."""
    session.install("-e", ".[dev]")
    session.run("pytest", "tests/probes/test_seeds.py", *session.posargs, env={"KITEMESH_SEEDS": "100"})


@nox.session
def alone(session: nox.Session) -> None:
    """Every fault of an answer: each is found by the few requests that are sent for its requirement alone."""
    session.install("-e", ".[dev]")
    session.run("pytest", "tests/probes/test_alone.py", *session.posargs, env={"KITEMESH_ALONE": "all"})


@nox.session
def misbehaving(session: nox.Session) -> None:
    """Servers that hang, flood and lie, the large ones too; writes the table reports/misbehaving.md."""
    session.install("-e", ".[sdk,dev]")
    session.run(
        "pytest", "tests/studies/misbehaving", *session.posargs, env={"KITEMESH_MISBEHAVING": "reports/misbehaving.md"}
    )


@nox.session
def example(session: nox.Session) -> None:
    """Make reports/example anew: a failing and a passing run, and pictures of their reports. Needs Chromium."""
    session.install("-e", ".[sdk]")
    session.run("python", "tests/studies/example/refresh.py")


@nox.session
def accessibility(session: nox.Session) -> None:
    """Run axe-core on the reports in reports/example. Needs Chromium and Node.js."""
    axe = _modules(session, "axe-core@4") / "axe-core" / "axe.min.js"
    session.run("python", "tests/studies/example/accessibility.py", str(axe))


@nox.session
def inert(session: nox.Session) -> None:
    """The HTML reports of a run against a hostile server, opened in headless Chromium: nothing runs or is fetched."""
    session.install("-e", ".[sdk,dev]")
    session.run("pytest", "tests/report/test_injection.py", *session.posargs, env={"KITEMESH_INERT": "1"})


@nox.session(python="3.11")
def fuzz(session: nox.Session) -> None:
    """Fuzz the reader of event streams for a minute (or `-- -max_total_time=N`), from the streams in fixtures/sse."""
    session.install("-e", ".", "atheris")
    session.run("python", "tests/transcript/fuzz_sse.py", *(session.posargs or ["-max_total_time=60"]))


LLM_COMPLY = "llm-comply==0.5.0"
"""Another suite that the benchmarks run on the same server, in an environment of its own."""


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the suite beside the least possible and other tools; writes reports/benchmarks.md, unless `-- --fast`."""
    session.install("-e", ".[sdk,dev]")
    program = _apart(session, "llm-comply", LLM_COMPLY)
    session.run("python", "-m", "tests.studies.bench", "--llm-comply", str(program / "llm-comply"), *session.posargs)


@nox.session
def curve(session: nox.Session) -> None:
    """Mutants killed over requests sent, beside other tools: reports/curve.json and .svg, which `proof` shows."""
    session.install("-e", ".[sdk,dev]")
    program = _apart(session, "llm-comply", LLM_COMPLY)
    session.run("python", "-m", "tests.studies.curve", "--llm-comply", str(program / "llm-comply"), *session.posargs)


EVENTSOURCE_PARSER = "eventsource-parser@3.1.1"
READERS = ("httpx-sse==0.4.3", "sseclient-py==1.9.0", "openai==3.54.0")
"""What reports/readers.md and reports/clients.md were measured with."""


@nox.session
def readers(session: nox.Session) -> None:
    """Hold readers of event streams against the standard; writes reports/readers.md and .json. Needs Node.js."""
    session.install("-e", ".[sdk,dev]", *READERS)
    modules = _modules(session, EVENTSOURCE_PARSER)
    session.run("python", "-m", "tests.studies.readers", "--modules", str(modules), *session.posargs)


OPENAI_NPM = "openai@6.49.0"
LANGCHAIN_OPENAI = "langchain-openai==1.7.3"


@nox.session
def clients(session: nox.Session) -> None:
    """Judge clients that people use; writes reports/clients.md, and what `explain` tells of faults. Needs Node.js."""
    session.install("-e", ".[sdk]")
    modules = _modules(session, OPENAI_NPM, EVENTSOURCE_PARSER)
    python = _apart(session, "clients", LANGCHAIN_OPENAI, *READERS) / "python"
    given = ("--modules", str(modules), "--python", str(python))
    session.run("python", "-m", "tests.studies.clients", *given, *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """A master and two workers for a minute (or `-- 5m`): users, requests, memory; one answer of 10,000 mixed up."""
    session.install("-e", ".[soak]", "pytest")
    session.run("python", "-m", "tests.studies.soak", *session.posargs)


RECORDERS_PYTHON = ("playwright==1.*", "vcrpy==9.*", "requests==2.*")
RECORDERS_NPM = tuple(f"@pollyjs/{name}@6" for name in ("core", "adapter-fetch", "persister-fs"))


@nox.session
def recorders(session: nox.Session) -> None:
    """Have other people's recorders write fixtures/recordings/made anew: Chromium, curl, Node.js, mitmdump if there."""
    session.install("-e", ".")
    modules = _modules(session, *RECORDERS_NPM)
    python = _apart(session, "recorders", *RECORDERS_PYTHON) / "python"
    given = ("--modules", str(modules), "--python", str(python))
    session.run("python", "-m", "tests.studies.recorders", *given, *session.posargs)


@nox.session
def interop(session: nox.Session) -> None:
    """Judge other people's servers from PyPI and npm; arguments (names, `--depth`) go to `tests.studies.interop`."""
    session.install("-e", ".[sdk]")
    given = ("--environments", str(session.cache_dir / "interop-servers"))
    session.run(
        "python", "-m", "tests.studies.interop", *given, *(session.posargs or ("--table", "reports/interop.md"))
    )


@nox.session
def gateway(session: nox.Session) -> None:
    """Judge the gateway in front of other people's servers; arguments go to `python -m tests.studies.gateway.judge`."""
    session.install("-e", ".[sdk]")
    given = ("--environments", str(session.cache_dir / "interop-servers"))
    session.run("python", "-m", "tests.studies.gateway.judge", *given, *session.posargs)


@nox.session
def frontends(session: nox.Session) -> None:
    """Judge the reference server behind nginx, haproxy and others that are installed; writes reports/frontends.md."""
    session.install("-e", ".[sdk]")
    session.run("python", "-m", "tests.studies.frontends", *(session.posargs or ("--table", "reports/frontends.md")))


@nox.session
def reach(session: nox.Session) -> None:
    """Judge the reference server by every way to it: proxies, TLS, sockets, HTTP/2; writes reports/reach.md."""
    session.install("-e", ".[sdk]")
    session.run("python", "-m", "tests.studies.reach", *(session.posargs or ("--table", "reports/reach.md")))
