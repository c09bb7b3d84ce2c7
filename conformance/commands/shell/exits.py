"""Exit codes of the commands, and the sentence on standard error that says why a command failed."""

from __future__ import annotations

import os
import sys

PROGRAM = "kitemesh-conformance"
OK, FAILED, INTERRUPTED, SUITE_ERROR, USAGE, INCONCLUSIVE = 0, 1, 2, 3, 4, 6
"""As in `conformance.judging.verdict.Exit`, whose import would make `--help` slow."""


def complain(sentence: str, code: int) -> int:
    """Say what is wrong, on one line of standard error; gives the exit code."""
    from conformance.transcript.excerpt import excerpt, harmless

    line = f"Error: {excerpt(sentence, 2000)}"
    print(harmless(line) if os.environ.get("GITHUB_ACTIONS") else line, file=sys.stderr)
    return code


def unwritten(what: str, error: OSError, code: int) -> int:
    """Say that something could not be written; gives the exit code, which stays that of a verdict with a complaint."""
    return complain(f"{what} could not be written ({error.strerror or error}).", code or USAGE)
