"""A real soak by Locust, for some seconds: alone at a server that mixes answers up, and with a master and two workers.

Needs the extra `soak`. `nox -s soak` shows the same for longer, with what it costs.
"""

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest
from soak.machines import RARE, soak

from conformance.reference.process import in_process
from conformance.reference.settings import FIRST_TOKEN, Settings

pytestmark = pytest.mark.skipif(find_spec("locust") is None, reason="Locust is not installed: the extra soak brings it")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Both soaks, side by side: they mostly wait and start."""
    sound, unsound = tmp_path_factory.mktemp("sound"), tmp_path_factory.mktemp("unsound")
    words = ("--users", "6", "--spawn-rate", "50")
    with (
        in_process(Settings(token_interval=0.002, crosstalk_every=40), RARE) as mixes,
        ThreadPoolExecutor(2) as pool,
    ):
        one = pool.submit(soak, None, sound, (*words, "--duration", "1h"), until=3.0)
        two = pool.submit(soak, mixes, unsound, (*words, "--duration", "60s", "--max-requests", "150"), workers=2)
        yield {"sound": one.result(), "unsound": two.result()}


def test_alone_at_a_server_that_conforms_until_it_is_interrupted(done):
    made = done["sound"]
    assert made.codes == [2], made.said
    document = made.document
    assert document["interrupted"]
    assert document["verdict"] == "conformant"
    assert document["totals"]["judged"] == document["totals"]["requests"] > 20
    assert not any(requirement["broken"] for requirement in document["requirements"])
    assert "stream, to its first event" in [row["name"] for row in document["times_ms"]]
    assert sum(row["count"] for row in document["times_ms"] if "first event" not in row["name"]) > 20
    assert FIRST_TOKEN not in made.said
    assert "locust" not in made.said.lower(), "its log is nobody's business"


def test_two_workers_at_a_server_that_mixes_answers_up(done):
    made = done["unsound"]
    assert made.codes == [1, 0, 0], made.said
    assert made.document["totals"]["requests"] == made.document["totals"]["judged"] == 150
    assert [worker["number"] for worker in made.document["workers"]] == [0, 1]
    for worker in made.document["workers"]:
        assert worker["complete"]
        assert worker["requests"] == 75
        assert worker["memory"]
        assert "--max-requests" in worker["stopped"]
    broken = {r["id"]: r for r in made.document["requirements"] if r["broken"]}
    assert set(broken) == {"isolation.content"}
    assert 1 <= broken["isolation.content"]["broken"] <= 4
    assert "asked for" in broken["isolation.content"]["example"]["message"]
    assert FIRST_TOKEN not in made.said
