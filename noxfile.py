"""Sessions for developers: `nox` runs lint, types and tests; `nox -s conformance -- URL --model …` judges a server."""

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]


@nox.session
def tests(session: nox.Session) -> None:
    """Run the suite's own tests; arguments go to pytest."""
    session.install("-e", ".[sdk,dev]")
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
    session.run("kitemesh-conformance", "run", *session.posargs)
