"""What a worker tells, as a message: only what is new since the last one, bounded, and read with distrust.

Locust carries it (as msgpack) from a worker to the master. Whoever can reach the master's port can send one, so nothing
in it is believed to have a form before it was looked at, and nothing grows with what somebody sends.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from conformance.evidence.finding import Finding
from conformance.evidence.place import Place
from conformance.soak.window import JUDGED, BreachExample, WindowResult
from conformance.transcript import har_reader, har_writer
from conformance.transcript.exchange import Transcript

MOST_IDS = 20_000
"""Ids in one message; what is beyond them is counted."""
MOST_EXAMPLES = 8
"""Examples in one message; others go with the next."""
LONGEST_EXAMPLE = 512 * 1024
"""Octets of one example's HAR."""
MOST_FATES = 40
LONGEST_TEXT = 600
_ID = struct.Struct(">BQI")


@dataclass(slots=True)
class Account:
    """What is new on one worker."""

    worker: int = 0
    requests: int = 0
    credits: float = 0.0
    windows: int = 0
    exchanges: int = 0
    """That were judged."""
    fates: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    examples: dict[str, BreachExample] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    ids: list[tuple[str, int, int]] = field(default_factory=list)
    untold: int = 0
    """Ids that were not told: more than a message takes."""
    forgotten: int = 0
    """Ids that this worker's ledgers no longer know, in all."""
    memory: int = 0
    """Octets of memory of the worker and its judge, resident; 0: not known."""
    held: float = 0.0
    """Seconds for which users waited for judging to keep up, all together."""
    stopped: str = ""
    """Why this worker sends no more."""
    remark: str = ""
    final: bool = False
    """True: nothing comes after it."""
    interrupted: bool = False

    def add(self, found: WindowResult) -> None:
        """Take in what a window showed."""
        self.windows += 1
        self.exchanges += found.exchanges
        self.fates.update(found.fates)
        self.judged.update(found.judged)
        self.broken.update(found.broken)
        for id_, example in found.examples.items():
            self.examples.setdefault(id_, example)
        for id_, error in found.errors.items():
            self.errors.setdefault(id_, error)
        room = max(0, MOST_IDS - len(self.ids))
        self.ids += found.ids[:room]
        self.untold += max(0, len(found.ids) - room)
        self.forgotten = found.forgotten

    def message(self) -> dict[str, Any]:
        """It as values that msgpack takes; the examples that have no room stay here for the next one."""
        told = list(self.examples)[:MOST_EXAMPLES]
        examples = [_example(id_, self.examples.pop(id_)) for id_ in told]
        return {
            "worker": self.worker,
            "requests": self.requests,
            "credits": self.credits,
            "windows": self.windows,
            "exchanges": self.exchanges,
            "fates": {_text(name): count for name, count in self.fates.most_common(MOST_FATES)},
            "judged": dict(self.judged),
            "broken": dict(self.broken),
            "examples": examples,
            "errors": {id_: _text(error) for id_, error in self.errors.items()},
            "ids": b"".join(_ID.pack(JUDGED.index(kind), value, request) for kind, value, request in self.ids),
            "untold": self.untold,
            "forgotten": self.forgotten,
            "memory": self.memory,
            "held": self.held,
            "stopped": _text(self.stopped),
            "remark": _text(self.remark),
            "final": self.final and not self.examples,
            "interrupted": self.interrupted,
        }


class NotAnAccount(ValueError):
    """A message is not an account."""


def read(message: object) -> Account:
    """The account that a message holds.

    Raises:
        Unreadable: it is none.
    """
    if not isinstance(message, dict):
        raise NotAnAccount("no account")
    try:
        return Account(
            worker=_count(message["worker"]),
            requests=_count(message["requests"]),
            credits=_amount(message["credits"]),
            windows=_count(message["windows"]),
            exchanges=_count(message["exchanges"]),
            fates=_counts(message["fates"], None),
            judged=_counts(message["judged"], JUDGED),
            broken=_counts(message["broken"], JUDGED),
            examples=dict(_examples(message["examples"])),
            errors={id_: _text(error) for id_, error in message["errors"].items() if id_ in JUDGED},
            ids=list(_ids(message["ids"])),
            untold=_count(message["untold"]),
            forgotten=_count(message["forgotten"]),
            memory=_count(message["memory"]),
            held=_amount(message["held"]),
            stopped=_text(message["stopped"]),
            remark=_text(message["remark"]),
            final=message["final"] is True,
            interrupted=message["interrupted"] is True,
        )
    except (KeyError, TypeError, ValueError, AttributeError, struct.error) as error:
        raise NotAnAccount(f"no account ({type(error).__name__})") from None


def _example(id_: str, example: BreachExample) -> dict[str, Any]:
    finding = example.finding
    text = har_writer.dumps(Transcript((example.exchange,), {"suite": "soak"}, "kitemesh-conformance soak"))
    return {
        "requirement": id_,
        "exchange": finding.exchange,
        "message": _text(finding.message),
        "expected": _text(finding.expected),
        "observed": _text(finding.observed),
        "place": {k: _text(v) if isinstance(v, str) else v for k, v in asdict(finding.place).items()},
        # A lone surrogate becomes `\\udcff`, which JSON reads as the same.
        "har": text.encode("utf-8", "backslashreplace"),
    }


def _examples(told: object) -> Iterator[tuple[str, BreachExample]]:
    if not isinstance(told, list) or len(told) > MOST_EXAMPLES:
        raise NotAnAccount("examples")
    for one in told:
        if one["requirement"] not in JUDGED or len(one["har"]) > LONGEST_EXAMPLE:
            continue
        (exchange,) = har_reader.load(bytes(one["har"])).exchanges
        message, expected, observed = (_text(one[name]) for name in ("message", "expected", "observed"))
        finding = Finding(one["requirement"], exchange.name, message, expected, observed, _place(one["place"]))
        yield one["requirement"], BreachExample(finding, exchange)


def _place(told: dict[str, Any]) -> Place:
    event, byte, character = (told[name] for name in ("event", "byte", "character"))
    if not all(value is None or isinstance(value, int) for value in (event, byte, character)):
        raise NotAnAccount("a place")
    return Place(_text(told["pointer"]), event, byte, _text(told["header"]), character, _text(told["words"]))


def _ids(octets: object) -> Iterator[tuple[str, int, int]]:
    if not isinstance(octets, bytes) or len(octets) > MOST_IDS * _ID.size:
        raise NotAnAccount("ids")
    for kind, value, request in _ID.iter_unpack(octets):
        yield JUDGED[min(kind, len(JUDGED) - 1)], value, request


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise NotAnAccount("a text")
    # msgpack writes UTF-8, which has no lone surrogates.
    return value[:LONGEST_TEXT].encode("utf-8", "backslashreplace").decode("utf-8")


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise NotAnAccount("a count")
    return value


def _amount(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e15:
        raise NotAnAccount("an amount")
    return float(value)


def _counts(value: object, known: Iterable[str] | None) -> Counter[str]:
    if not isinstance(value, Mapping) or len(value) > 2 * len(JUDGED):
        raise NotAnAccount("counts")
    return Counter({_text(k): _count(v) for k, v in value.items() if known is None or k in known})


__all__ = ["MOST_EXAMPLES", "MOST_IDS", "Account", "NotAnAccount", "read"]
