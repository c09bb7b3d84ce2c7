"""Selections: what their combinators keep, in which order, and what they say of what they leave unjudged."""

from checks.exchanges import answer, exchange, sent, transcript

from conformance.evidence.evidence import Evidence
from conformance.evidence.finding import Unjudged
from conformance.evidence.place import NOWHERE, STATUS, Place
from conformance.evidence.reading import Reading
from conformance.evidence.select import Selection, every, when

EVIDENCE = Evidence(transcript(*(exchange(name, sent(name), answer({"id": name})) for name in "abcd")))


def named(*names):
    return lambda reading: reading.name in names


def told(selection: Selection) -> list[str]:
    """The names, with the reason where a reading is unjudged."""
    return [one.name if isinstance(one, Reading) else f"{one.exchange}: {one.reason}" for one in selection(EVIDENCE)]


WITHOUT_B = every.unless(when(named("b"), "no"))


def test_where_keeps_what_cannot_be_judged_and_among_does_not():
    assert told(WITHOUT_B) == ["a", "b: no", "c", "d"]
    assert told(WITHOUT_B.where(named("c"))) == ["b: no", "c"]
    assert told(WITHOUT_B.among(named("c"))) == ["c"]
    assert told(WITHOUT_B.among(named("b", "d"))) == ["b: no", "d"]


def test_the_first_reason_that_applies_is_told():
    reasons = (when(named("a"), "one"), when(named("a", "b"), "two", by="http.json"))
    assert told(every.unless(*reasons)) == ["a: one", "b: two", "c", "d"]
    assert every.unless(*reasons).unjudged(EVIDENCE)[1] == Unjudged("two", "b", "http.json")


def test_what_is_unjudged_stays_so():
    assert told(WITHOUT_B.unless(when(named("b", "c"), "late"))) == ["a", "b: no", "c: late", "d"]
    assert told(WITHOUT_B.judgeable()) == ["a", "c", "d"]
    assert [reading.name for reading in WITHOUT_B.readings(EVIDENCE)] == ["a", "c", "d"]


def test_two_selections_follow_each_other():
    assert told(every.where(named("d")) | every.where(named("a", "d"))) == ["d", "a", "d"]


def test_a_selection_is_made_once_for_a_transcript():
    made = []
    counted = Selection(lambda evidence: made.append(evidence) or evidence.all)
    assert counted(EVIDENCE) is counted(EVIDENCE)
    assert made == [EVIDENCE]


def test_places_in_words():
    assert str(Place("/id", 3, 812)) == "event 3, byte 812, /id"
    assert str(Place(byte=0)) == "byte 0"
    assert str(Place(header="Content-Type")) == "header Content-Type"
    assert str(Place(character=5)) == "character 5"
    assert (str(STATUS), str(NOWHERE)) == ("status", "")
    assert Place(byte=0)
    assert not NOWHERE
