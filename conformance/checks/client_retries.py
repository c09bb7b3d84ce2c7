"""Area client: what is sent again, when, and how often.

What belongs together: requests of one face, or of a whole recording that knows no faces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from conformance.checks.check import over_all
from conformance.checks.rules.sent import CLOCKS, Tries, lost, tries_of
from conformance.evidence.answer import Words
from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Item, Judged
from conformance.evidence.place import URL
from conformance.evidence.reading import Reading
from conformance.transcript.exchange import Credential

MOST_TRIES = 6
SAME_CHAIN = 120.0
"""Seconds after which a request that is sent again is not a further try, but somebody's new wish."""
SOON = 60.0
"""The same after a refusal, which a person may answer by pressing the button again."""
STEADY = 0.25
"""Share by which pauses differ that do not grow."""
AT_ONCE = 0.1
"""Seconds; pauses below it are none."""
FEWEST_PAUSES = 3
"""With random pauses, fewer say nothing."""
EARLY = 0.1
"""Seconds by which a wait may look shorter than it was: it is measured where the requests arrive."""
_REFUSED = (400, 401, 404, 422)
_TRANSIENT = (408, 429)


def _repeated(tries: Tries, within: float) -> Iterator[tuple[Reading, Reading | None]]:
    """Each of them, with the one that repeats it once it was over, soon enough; None where none does."""
    for number, first in enumerate(tries):
        after = (r for r in tries[number + 1 :] if first.ended <= r.started <= first.ended + within)
        yield first, next(after, None)


@over_all("client.no-retry-on-refusal")
def no_retry_on_refusal(evidence: Evidence) -> Iterator[Item]:
    """What was refused by 400, 401, 404 or 422 is not sent again as it is.

    A resume that got 404 may be: other replicas may not know of an approval yet (contract, "Left open"). In other
    recordings a 401 may have been answered by a new token, which the transcript masks.
    """
    for tries in tries_of(evidence):
        for number, (first, again) in enumerate(_repeated(tries, SOON)):
            renewed = first.status == 401 and first.whose is Credential.UNSTATED
            replicas = first.status == 404 and first.asked.resume and number == 0
            if first.status not in _REFUSED or renewed or replicas:
                continue
            yield Judged(first.name)
            if again is not None:
                yield again.finding(
                    "what was refused is sent again, unchanged",
                    f"another request, or none, after status {first.status}",
                    Words(f"the request of {first.name} again, {again.started - first.ended:.1f} s after its refusal"),
                    URL,
                )


@over_all("client.retry-after")
def retry_after(evidence: Evidence) -> Iterator[Item]:
    """The same request is not sent again before the time that `Retry-After` names (RFC 9110, section 10.2.3)."""
    for tries in tries_of(evidence):
        for first, again in _repeated(tries, float("inf")):
            wait = _wait(first)
            if wait is None:
                continue
            if again is None:
                yield first.unjudged("the request was not tried again")
                continue
            yield Judged(again.name)
            seconds, slack = wait
            waited = again.started - first.ended
            if waited < seconds - slack:
                told = first.response.header("retry-after") if first.response else ""
                yield again.finding(
                    "the request is sent again before Retry-After is over",
                    f"a pause of {seconds:.1f} s after {first.name}, as Retry-After says ({told})",
                    Words(f"{waited:.2f} s"),
                    URL,
                )


def _wait(reading: Reading) -> tuple[float, float] | None:
    """Seconds that `Retry-After` asks for, and those by which the measure may be wrong; None where nothing is asked."""
    asked = reading.retry_after
    if asked is None or reading.status is None or reading.status < 400:
        return None
    return asked.seconds, CLOCKS if asked.by_date else EARLY


@over_all("client.retry-bounded")
def retry_bounded(evidence: Evidence) -> Iterator[Item]:
    """No more than six tries of one request, and pauses that grow, unless the server says when to come again."""
    for tries in tries_of(evidence):
        for chain in _chains(tries):
            yield Judged(chain[-1].name)
            if len(chain) > MOST_TRIES:
                yield chain[MOST_TRIES].finding(
                    "a request is tried too often",
                    f"{MOST_TRIES} tries at most",
                    Words(f"{len(chain)} tries, from {chain[0].name} to {chain[-1].name}"),
                    URL,
                )
            pauses = [later.started - earlier.ended for earlier, later in pairwise(chain)]
            if len(pauses) >= FEWEST_PAUSES and not any(_wait(r) for r in chain) and _constant(pauses):
                yield chain[-1].finding(
                    "the pauses between the tries do not grow",
                    "a longer pause after each try",
                    Words(f"pauses of {', '.join(f'{pause:.2f}' for pause in pauses[:6])} s"),
                    URL,
                )


def _chains(tries: Tries) -> Iterator[Tries]:
    """Tries of one request, each but the last of which failed in a way that may pass; one that did so alone, too."""
    chain: list[Reading] = []
    for reading in tries:
        if chain and not chain[-1].ended <= reading.started <= chain[-1].ended + SAME_CHAIN:
            yield chain
            chain = []
        passing = lost(reading) or reading.failed_to_serve or reading.status in _TRANSIENT
        if chain or passing:
            chain.append(reading)
        if chain and not passing:
            yield chain
            chain = []
    if chain:
        yield chain


def _constant(pauses: Sequence[float]) -> bool:
    """True for pauses of about one length, and for none; random ones that grow differ by more."""
    longest, shortest = max(pauses), min(pauses)
    return longest < AT_ONCE or (longest - shortest) / longest < STEADY
