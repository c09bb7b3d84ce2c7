"""curl: what is pasted into a shell sends the recorded request again, and never holds a token."""

import os
import shlex
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from made_up import exchange

from conformance.report.curl import LONGEST_BODY, curl
from conformance.report.way import Way
from conformance.transcript.exchange import Credential


def test_a_plain_request():
    assert curl(exchange()) == (
        "curl -i http://127.0.0.1:9/v1/chat/completions -H \"Authorization: Bearer $KITEMESH_TOKEN\""
        " -H 'Content-Type: application/json' --data-binary '{\"model\":\"m\"}'"
    )  # fmt: skip


@pytest.mark.parametrize("made", [exchange(body=b'{"stream": true}'), exchange(answer="text/event-stream")])
def test_a_stream_is_not_held_back(made):
    assert " -N " in curl(made)


@pytest.mark.parametrize(
    ("credential", "header", "words"),
    [
        (Credential.OWN, "bearer ****", '"Authorization: bearer $KITEMESH_TOKEN"'),
        (Credential.SECOND, "Bearer ****", '"Authorization: Bearer $KITEMESH_SECOND_TOKEN"'),
        (Credential.EMPTY, "Bearer ", "'Authorization: Bearer '"),
        (Credential.NEVER_ISSUED, "Bearer km_made_up", "'Authorization: Bearer km_never_issued'"),
        (Credential.NEARLY_OWN, "Bearer ********", '"Authorization: Bearer ${KITEMESH_TOKEN%????}XXXX"'),
        (
            Credential.OTHER_MIDDLE,
            "Bearer ********",
            '"Authorization: Bearer ${KITEMESH_TOKEN:0:8}XX${KITEMESH_TOKEN:10}"',
        ),
        (Credential.OTHER_SCHEME, "Basic ****", '-u "km:$KITEMESH_TOKEN"'),
        (Credential.UNSTATED, "$(rm -rf /) x", '"Authorization: Bearer $TOKEN"'),
    ],
)
def test_the_token_is_named_never_shown(credential, header, words):
    line = curl(exchange(credential=credential, headers=[("Authorization", header)]))
    assert words in line
    assert "****" not in line


GROUP = b'{"model": "group:123e4567-e89b-12d3-a456-426614174000"}'


@pytest.mark.parametrize(
    ("body", "variable"),
    [(GROUP, "$KITEMESH_TOKEN"), (b'{"model": "gpt-4o"}', "$TOKEN"), (b"", "$TOKEN"), (None, "$TOKEN")],
)
def test_kitemeshs_token_goes_to_no_server_that_somebody_else_recorded(body, variable):
    line = curl(exchange(credential=Credential.UNSTATED, body=body))
    assert f'"Authorization: Bearer {variable}"' in line


def test_a_pretty_printed_body_stays_readable():
    pretty = b'{\n  "model": "m",\n\t"rate": "5 %"\n}\n'
    line = curl(exchange(body=pretty))
    assert """printf '{\\n  "model": "m",\\n\\t"rate": "5 %%"\\n}\\n' | curl""" in line


def test_without_a_token_there_is_no_header():
    assert "Authorization" not in curl(exchange(credential=Credential.NONE, headers=[]))


def test_fields_of_the_user_are_named_only():
    line = curl(exchange(headers=[("X-Gateway-Key", "secret"), ("X`id`", "y"), ("Accept", "*/*"), ("Host", "h")]))
    assert '-H "X-Gateway-Key: $X_GATEWAY_KEY"' in line
    assert "secret" not in line
    assert "`id`" not in line
    assert "Accept" not in line
    assert "Host" not in line


def test_certificates_that_were_trusted_are_trusted_again():
    secure = exchange(url="https://127.0.0.1:9/v1/chat/completions")
    assert "--cacert ca.pem" in curl(secure, Way(ca_bundle="ca.pem"))
    assert "--cacert" not in curl(secure)
    assert "--cacert" not in curl(exchange(), Way(ca_bundle="ca.pem"))
    line = curl(secure, Way(ca_bundle="my `id`\n" + "x" * 10_000))
    assert shlex.split(line)[3].startswith("my `id`")
    assert "\n" not in line
    assert len(line) < 3_000


def test_the_way_to_the_target_is_gone_again():
    secure = exchange(url="https://api.example.com/v1/chat/completions")
    way = Way(
        client_cert="me.pem", client_key="me.key", insecure=True, resolve=("api.example.com:443:10.0.0.7",), http2=True
    )
    assert "--cert me.pem --key me.key --insecure --resolve api.example.com:443:10.0.0.7 --http2 https://" in curl(
        secure, way
    )
    assert " --resolve api.example.com:443:10.0.0.7 --http2-prior-knowledge http://" in curl(exchange(), way)
    assert "--unix-socket '/tmp/my socket'" in curl(exchange(), Way(unix_socket="/tmp/my socket"))
    assert "--proxy http://proxy:3128" in curl(secure, Way(proxy="http://proxy:3128"))
    assert '--proxy "$KITEMESH_PROXY"' in curl(secure, Way(proxy="http://proxy:3128", proxy_login=True))
    assert "--noproxy '*'" in curl(secure, Way(directly=True))


def test_a_long_body_is_named():
    line = curl(exchange(body=b"x" * (LONGEST_BODY + 1)))
    assert line.endswith("--data-binary @body  # body: 2,001 octets, see transcript.har, entry minimal")


def test_an_unknown_body_is_said():
    assert curl(exchange(body=None)).endswith("# the request's body was not recorded")


BODIES = [
    b"",
    b'{"content": "it\'s \\"quoted\\" $HOME `id` \\\\ !"}',
    "{\"content\": \"Voilà 🙂\"}".encode(),
    b"@/etc/passwd",
    b"\xff\xfe\x00 no text",
    '{"content": "\u202ebidi"}'.encode(),
    b"line\nline\r\n",
    b'{\n\t"a": "it\'s 100 % \\n `id` $HOME"\r\n}',
]  # fmt: skip


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_curl_sends_the_same_octets(body, method):
    with _recording_server() as (url, received):
        made = exchange(body=body, method=method, url=f"{url}/v1/chat/completions")
        environment = {**os.environ, "KITEMESH_TOKEN": "km_tok"}
        subprocess.run(["sh", "-c", curl(made)], env=environment, check=True, capture_output=True, timeout=20)
    assert received == [(method, "/v1/chat/completions", "Bearer km_tok", "application/json", body)]


def test_every_line_is_one_shell_word_list():
    for body in BODIES:
        assert "\n" not in curl(exchange(body=body))
        assert shlex.split(curl(exchange(body=body)))


class _recording_server:
    """A server that keeps what it was sent."""

    def __enter__(self):
        received = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                kept = (self.headers["Authorization"], self.headers["Content-Type"])
                received.append((self.command, self.path, *kept, body))
                self.send_response(204)
                self.end_headers()

            do_PUT = do_POST

            def log_message(self, *arguments):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_port}", received

    def __exit__(self, *error):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
