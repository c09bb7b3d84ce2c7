"""What a soak is told, and what it refuses before anything is sent; and that nobody else ever meets gevent."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from soak_answers import MODEL

from conformance.commands.main import main
from conformance.settings.options import Options, UsageError
from conformance.soak import command, load
from conformance.soak.load import Load, Role
from conformance.soak.markers import Key
from conformance.soak.plan import Refused, orders, plans
from conformance.soak.station import Orders

LOCAL = "http://127.0.0.1:9/v1"
AWAY = "https://api.example.com/v1"


@pytest.fixture(autouse=True)
def _bare(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KITEMESH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KITEMESH_TOKEN", "km_secret_token")
    monkeypatch.setattr(command, "find_spec", lambda name: object())


def refused(capsys, words, said):
    assert main(["soak", *words]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert len(err.splitlines()) == 1
    assert said in err
    assert "km_secret" not in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ftp://host",), "is not an http or https URL"),
        ((LOCAL,), "--model"),
        ((LOCAL, "--model", MODEL, "--users", "0"), "--users must be 1 to 10000"),
        ((LOCAL, "--model", MODEL, "--users", "many"), "--users"),
        ((LOCAL, "--model", MODEL, "--duration", "soon"), "such as 90s, 5m or 1h30m"),
        ((LOCAL, "--model", MODEL, "--duration", "0s"), "one second to seven days"),
        ((LOCAL, "--model", MODEL, "--duration", "200h"), "one second to seven days"),
        ((LOCAL, "--model", MODEL, "--duration", ""), "--duration takes a time"),
        ((LOCAL, "--model", MODEL, "--spawn-rate", "0"), "--spawn-rate"),
        ((LOCAL, "--model", MODEL, "--spawn-rate", "nan"), "--spawn-rate"),
        ((LOCAL, "--model", MODEL, "--master", "--worker"), "contradict"),
        ((LOCAL, "--model", MODEL, "--worker", "--users", "5"), "an option of the master"),
        ((LOCAL, "--model", MODEL, "--expect-workers", "2"), "give --master or --worker too"),
        ((LOCAL, "--model", MODEL, "--master", "--expect-workers", "0"), "--expect-workers"),
        ((LOCAL, "--model", MODEL, "--master", "--master-port", "0"), "--master-port"),
        ((LOCAL, "--model", MODEL, "--master", "--expect-workers", "5", "--max-requests", "4"), "--max-requests"),
        (("--master",), "needs the URL of a target"),
        (("--worker",), "needs the URL of a target"),
        ((AWAY, "--model", MODEL), "--i-may-load-this-server"),
        ((AWAY, "--model", MODEL, "--worker"), "--i-may-load-this-server"),
        ((LOCAL, "--model", MODEL, "--only", "stream.dne"), "did you mean stream.done"),
        ((LOCAL, "--model", MODEL, "--ca-bundle", "none.pem"), "none.pem"),
        ((LOCAL, "--model", MODEL, "--token-env", "NOT_SET"), "NOT_SET"),
        (("nowhere",), "no conformance.toml"),
    ],
)
def test_wrong_use_is_one_sentence(capsys, words, said):
    refused(capsys, words, said)
    assert "gevent" not in sys.modules


def test_without_the_extra_it_says_how_to_install_it(capsys, monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    refused(capsys, (), "pip install 'kitemesh-conformance[soak]'")


def test_a_worker_needs_a_token_and_a_master_none(capsys, monkeypatch):
    monkeypatch.delenv("KITEMESH_TOKEN")
    refused(capsys, (LOCAL, "--model", MODEL, "--worker"), "no token")
    assert "KITEMESH_TOKEN" in command.environment(Role.MASTER, {})
    assert command.environment(Role.WORKER, {}) == {}


def test_consent_is_for_other_machines_only():
    away, here = Options(url=AWAY, model=MODEL), Options(url=LOCAL, model=MODEL)
    with pytest.raises(UsageError, match=r"api\.example\.com"):
        Load().checked(away)
    assert Load(consent=True).checked(away)
    assert Load().checked(here)
    assert Load().checked(Options())


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1:80", "localhost", "LOCALHOST.", "[::1]:8080"])
def test_loopback(host):
    assert load.is_loopback(f"http://{host}/v1")


@pytest.mark.parametrize("host", ["10.0.0.1", "example.com", "localhost.example.com", "127.0.0.1.nip.io", "0.0.0.0"])
def test_no_loopback(host):
    assert not load.is_loopback(f"http://{host}/v1")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1h", 3600), ("2m5", 125)]
)
def test_durations(text, seconds):
    assert load.seconds(text) == seconds


def test_budgets_are_shared_out():
    assert load.shares(10, 3) == [4, 3, 3]
    assert load.shares(None, 2) == [None, None]


PLAN = {"key": "k", "worker": 1, "users": 5, "duration": 9.0, "max_requests": 7, "max_credits": None}
PLAN |= {"url": LOCAL, "model": MODEL}


def test_a_worker_does_what_its_master_says():
    options = Options(url=LOCAL, model=MODEL, token="km_secret")
    told = list(plans(Key("k"), replace(options, max_requests=21, max_credits=3.0), Load(users=11, duration=9.0), 2))
    assert [plan["max_requests"] for plan in told] == [11, 10]
    assert "km_secret" not in repr(told)
    assert orders(told[1], options) == (Orders(Key("k"), 1, 6, 10, 1.5), 9.0)
    assert orders(PLAN, replace(options, max_requests=3))[0].max_requests == 3, "what it was told itself binds too"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"url": AWAY}, "another target"),
        ({"model": "group:other"}, "another target"),
        ({"url": None}, "another target"),
        *(({name: wrong}, "cannot be read") for name in ("key", "worker", "users") for wrong in (None, -1, [], 10**9)),
        *(({name: wrong}, "cannot be read") for name in ("max_requests", "max_credits") for wrong in ("1", -1, True)),
        ({"duration": None}, "cannot be read"),
        ({"duration": float("nan")}, "cannot be read"),
        ({"key": "k" * 65}, "cannot be read"),
    ],
)
def test_a_worker_refuses_what_its_master_has_no_say_in(change, said):
    with pytest.raises(Refused, match=said):
        orders({**PLAN, **change}, Options(url=LOCAL, model=MODEL, token="km_secret"))
    with pytest.raises(Refused, match="cannot be read"):
        orders([], Options(url=LOCAL, model=MODEL))


def test_nothing_but_a_soak_imports_gevent():
    program = (
        "import sys, conformance.commands.main, conformance.running.run, conformance.plugin; "
        "import conformance.proving.prove, conformance.soak.command, conformance.soak.telling, conformance.soak.plan; "
        "print({'gevent', 'locust'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "set()"
