"""The result of a run: the evidence and all conclusions from it, as one value that every report reads."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Finding
from conformance.judging.gate import Gate
from conformance.judging.verdict import Conclusion, Exit, Outcome, Verdict
from conformance.settings.options import Options
from conformance.transcript.exchange import Transcript


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """A run, judged."""

    options: Options
    evidence: Evidence
    """The evidence that it was judged by; with `--no-bodies`, what is left of it."""
    verdict: Verdict
    gate: Gate
    started: float
    """Unix seconds."""
    ended: float
    interrupted: bool = False
    """True: somebody stopped it before its end."""
    notes: tuple[str, ...] = ()
    """Notes for the reader: what a budget cut off, hints."""
    seed: int = 0
    """The seed of all random choices."""
    credits: float = 0.0
    """The credits that the answers report."""
    suspects: tuple[str, ...] = ()
    """Names of the exchanges that were under way when the target went down: one of them may have brought it about."""

    @property
    def transcript(self) -> Transcript:
        """The recorded exchanges."""
        return self.evidence.transcript

    @property
    def excused(self) -> tuple[int, int]:
        """How many exchanges were excused, out of how many."""
        return self.verdict.excused

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, also on a SHOULD, in the catalogue's order."""
        return tuple(finding for outcome in self.verdict.outcomes for finding in outcome.findings)

    @property
    def passed(self) -> bool:
        """True where the command line would give exit code 0: conformant, or all that fails is in the baseline."""
        return self.exit_code() is Exit.CONFORMANT

    def __getitem__(self, requirement: str) -> Outcome:
        """The outcome of a requirement: `report["stream.done"].state`.

        Raises:
            KeyError: no requirement has this id; the sentence names the nearest ones.
        """
        try:
            return self.verdict[requirement]
        except KeyError:
            raise KeyError(_no_such(requirement, self.verdict)) from None

    def exit_code(self) -> Exit:
        """The command line's exit code: by the gate, which equals the verdict without a baseline."""
        if self.verdict.conclusion is Conclusion.ERROR:
            return Exit.SUITE_ERROR
        return Exit.INTERRUPTED if self.interrupted else self.gate.exit_code


def _no_such(requirement: object, verdict: Verdict) -> str:
    ids = [outcome.requirement.id for outcome in verdict.outcomes]
    near = difflib.get_close_matches(str(requirement), ids, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "the command `requirements` lists them"
    return f"no requirement is called {requirement!r}: {hint}"
