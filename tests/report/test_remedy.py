"""What to do: where the answers show a layer in front, it and its setting are named; else the catalogue speaks."""

import re
from dataclasses import replace

import pytest
from made_up import exchange, finding

from conformance.contract.catalogue import load
from conformance.judging.verdict import Outcome, State
from conformance.report.remedy import LAYERS, remedy
from conformance.transcript.exchange import Ending, Piece, Response

NGINX_413 = (
    b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n"
    b"<center><h1>413 Request Entity Too Large</h1></center>\r\n"
    b"<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
)
NGINX_502 = NGINX_413.replace(b"413 Request Entity Too Large", b"502 Bad Gateway")
HAPROXY_413 = (
    b"<html><body><h1>413 Payload Too Large</h1>\nThe request entity exceeds the maximum allowed.\n</body></html>\n"
)
APACHE_413 = (
    b'<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n<title>413 Request Entity Too Large</title>\n'
)
APACHE_503 = (
    b'<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">\n<html><head>\n'
    b"<title>503 Service Unavailable</title>\n</head><body>\n<h1>Service Unavailable</h1>\n"
)
"""Of Apache 2.4.71."""
VARNISH_503 = (
    b"<!DOCTYPE html>\n<html>\n<head><title>503 Backend fetch failed</title></head>\n<body><p>XID: 5</p></body>"
)
OWN = b'{"error":{"message":"Too large.","type":"invalid_request_error","code":"too_large","request_id":"r"}}'
EXPRESS = (
    b'<!DOCTYPE html>\n<html lang="en"><head><title>Error</title></head><body><pre>Cannot PUT /v1</pre></body></html>'
)
CATALOGUE = load()


def answered(status, body, *fields, name="one", sent=b"x" * 20_000):
    made = exchange(name, sent)
    return replace(made, response=Response(status, fields, body, headers_at=0.1, pieces=(Piece(0.1, len(body)),)))


def cut(name, last, finished, ending=Ending.CUT, *fields):
    made = answered(200, b"data: {}\n\n", *fields, name=name)
    assert made.response is not None
    response = replace(made.response, pieces=(Piece(0.1, 5), Piece(last, 5)))
    return replace(made, response=response, finished=finished, ending=ending)


def told(id_, *exchanges, intermittent=()):
    findings = tuple(finding(id_, exchange=e.name, intermittent=e.name in intermittent) for e in exchanges)
    outcome = Outcome(CATALOGUE[id_], State.FAILED, findings=findings)
    return remedy(outcome, {e.name: e for e in exchanges})


@pytest.mark.parametrize(
    ("answer", "setting"),
    [
        (answered(413, NGINX_413, ("Server", "nginx/1.22.1")), "`client_max_body_size`"),
        (answered(413, HAPROXY_413), "`tune.bufsize`"),
        (answered(413, APACHE_413, ("Server", "Apache/2.4.71 (Debian)")), "`LimitRequestBody`"),
        (answered(413, b"", ("Server", "Caddy")), "`request_body max_size`"),
        (answered(413, OWN), "the server's own framework"),
        (answered(413, OWN), "`client_max_body_size`"),
    ],
)
@pytest.mark.parametrize("id_", ["accept.limits", "accept.generated", "resume.approve"])
def test_a_body_that_is_too_large_for_a_layer(answer, setting, id_):
    words = told(id_, answer)
    assert setting in words
    assert "20,000 octets" in words
    assert CATALOGUE[id_].fix not in words


@pytest.mark.parametrize("id_", ["robust.large-body", "http.complete"])
def test_a_413_to_a_body_that_may_be_refused_is_no_matter_of_limits(id_):
    assert told(id_, answered(413, OWN)) == CATALOGUE[id_].fix


def test_what_only_some_findings_show_is_said_beside_the_catalogue():
    words = told("accept.limits", answered(413, NGINX_413), answered(400, OWN, name="two"))
    assert words.startswith(CATALOGUE["accept.limits"].fix)
    assert "`client_max_body_size`" in words


def test_an_intermittent_finding_does_not_hide_what_the_steady_ones_show():
    steady, other = answered(413, NGINX_413), answered(400, OWN, name="two")
    assert CATALOGUE["accept.limits"].fix not in told("accept.limits", steady, other, intermittent=("two",))


@pytest.mark.parametrize(
    ("status", "body", "fields", "setting"),
    [
        (400, NGINX_413, (), "`proxy_intercept_errors off`"),
        (502, NGINX_502, (), "`error_page` with a JSON body"),
        (413, HAPROXY_413, (), "`http-error` or `errorfile`"),
        (422, APACHE_413, (), "`ProxyErrorOverride Off`"),
        (503, APACHE_503, (), "`ErrorDocument`"),
        (429, APACHE_503.replace(b"503 S", b"429 S"), (("Server", "Apache/2.4.71 (Debian)"),), "`ErrorDocument`"),
        (503, VARNISH_503, (), "`vcl_backend_error`"),
    ],
)
def test_a_page_of_a_layer(status, body, fields, setting):
    words = told("error.schema", answered(status, body, *fields))
    assert setting in words
    assert "not by the server" in words


def test_a_page_of_whomever_that_came_through_a_layer_is_told_as_such():
    words = told("error.media-type", answered(400, b"<html><body>Sorry</body></html>", ("Server", "nginx")))
    assert words.startswith(CATALOGUE["error.media-type"].fix)
    assert "where the page is not the server's, `proxy_intercept_errors off`" in words


@pytest.mark.parametrize("fields", [(), (("Server", "uvicorn"),), (("Server", "Apache-Coyote/1.1"),)])
def test_a_page_of_the_server_itself_is_the_servers(fields):
    assert told("error.schema", answered(405, EXPRESS, *fields)) == CATALOGUE["error.schema"].fix


def test_an_error_object_that_came_through_a_layer_is_the_servers():
    words = told("error.schema", answered(400, b'{"detail":"x"}', ("Server", "nginx")))
    assert words == CATALOGUE["error.schema"].fix


@pytest.mark.parametrize(
    ("status", "fields", "setting"),
    [
        (504, (("Server", "nginx"),), "`proxy_read_timeout`"),
        (504, (), "`timeout server`"),
        (502, (("Server", "nginx"),), "the log of nginx"),
        (502, (), "its log"),
    ],
)
def test_a_gateway_that_got_no_answer(status, fields, setting):
    words = told("error.no-server-error", answered(status, NGINX_502 if fields else b"", *fields))
    assert setting in words
    assert "exception" not in words


def test_an_exception_is_looked_for_in_the_log():
    assert told("error.no-server-error", answered(500, OWN)) == CATALOGUE["error.no-server-error"].fix


@pytest.mark.parametrize("ending", [Ending.CUT, Ending.RESET])
def test_cuts_after_one_and_the_same_silence_are_a_time_limits(ending):
    words = told("http.complete", *(cut(f"e{n}", n, n + 5.0 + n / 10, ending, ("Server", "nginx")) for n in range(4)))
    assert "4 of 4 cut answers ended after 5 s without an octet" in words
    assert "nginx: `proxy_read_timeout`" in words
    assert CATALOGUE["http.complete"].fix not in words


def test_one_cut_of_another_cause_hides_no_time_limit():
    words = told("http.complete", *(cut(f"e{n}", n, n + 5.0) for n in range(6)), cut("other", 0.1, 0.2))
    assert "6 of 7 cut answers ended after 5 s without an octet" in words


def test_cuts_at_one_and_the_same_second_are_a_limit_on_the_whole():
    words = told("http.complete", *(cut(f"e{n}", 14 - n, 15.0 + n / 50) for n in range(3)))
    assert "3 of 3 cut answers ended 15 s after they were asked for" in words
    assert "`last_byte_timeout`" in words


@pytest.mark.parametrize(
    "exchanges",
    [
        [cut("one", 1.0, 6.0)],
        [cut("one", 0.2, 0.2), cut("two", 0.2, 0.2)],
        [cut("one", 0.2, 3.0), cut("two", 0.2, 9.0)],
        [cut("one", 2.4, 2.41), cut("two", 2.4, 2.45)],
    ],
    ids=["one", "at-once", "at-any-time", "no-whole-second"],
)
def test_other_cuts_are_told_as_before(exchanges):
    assert told("http.complete", *exchanges) == CATALOGUE["http.complete"].fix


def test_a_stream_that_is_held_back_behind_a_layer():
    words = told("stream.incremental", answered(200, b"data: {}\n\n", ("Server", "nginx")))
    assert words.startswith(CATALOGUE["stream.incremental"].fix)
    assert "`X-Accel-Buffering: no`" in words
    assert told("stream.incremental", answered(200, b"")) == CATALOGUE["stream.incremental"].fix


def test_no_word_is_the_targets():
    hostile = b"<html>evil" + NGINX_413
    words = told("error.schema", answered(400, hostile, ("Server", "nginx evil"), ("Via", "1.1 evil")))
    assert "evil" not in words


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_what_a_layer_is_known_by_can_be_matched(layer):
    name = layer.name.rpartition(" ")[2] if layer.name.startswith("the ") else layer.name.partition(" ")[0]
    assert re.search(layer.fields, {"balancer": "awselb/2.0"}.get(name, f"{name}/1.0"), re.IGNORECASE)
