"""Start the gateway: `python -m tests.studies.gateway UPSTREAM_URL`."""

from __future__ import annotations

import argparse
import sys
import threading
from contextlib import suppress
from typing import NoReturn
from urllib.parse import urlsplit

from .app import TOKENS, Settings, create_app
from .serving import in_thread

USAGE = 4


class Parser(argparse.ArgumentParser):
    """Ends a wrong command line with one sentence and status 4."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end."""
        self.exit(USAGE, f"Error: {message}\n")


def settings_of(arguments: list[str]) -> tuple[Settings, int]:
    """What the command line says: the settings, and the port."""
    parser = Parser(prog="python -m tests.studies.gateway", description=__doc__)
    parser.add_argument("upstream", metavar="UPSTREAM_URL", help="such as http://127.0.0.1:8000/v1")
    parser.add_argument("--upstream-model", default="default", metavar="NAME", help="the model to ask the upstream for")
    parser.add_argument("--upstream-key", default="none", metavar="KEY", help="the bearer token for the upstream")
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (default: any)")
    parser.add_argument("--tokens", nargs="+", default=list(TOKENS), metavar="TOKEN", help="tokens of its callers")
    parser.add_argument("--most-tokens", type=int, metavar="N", help="the most tokens that the upstream can write")
    told = parser.parse_args(arguments)
    parts = urlsplit(told.upstream)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        parser.error(f"{told.upstream!r} is no http or https URL; give one such as http://127.0.0.1:8000/v1")
    if not 0 <= told.port < 65536:
        parser.error(f"--port must be from 0 to 65535, not {told.port}")
    return Settings(
        upstream=told.upstream,
        upstream_model=told.upstream_model,
        upstream_key=told.upstream_key,
        tokens=tuple(told.tokens),
        most_tokens=told.most_tokens,
    ), told.port


def main() -> None:
    """Serve until interrupted."""
    settings, port = settings_of(sys.argv[1:])
    try:
        with in_thread(create_app(settings), port) as url:
            print(f"{url}/v1  tokens: {', '.join(settings.tokens)}", flush=True)
            with suppress(KeyboardInterrupt):
                threading.Event().wait()
    except OSError as error:
        told = f"Error: the gateway could not listen on port {port} ({error.strerror}); name another by --port."
        print(told, file=sys.stderr)
        sys.exit(USAGE)


if __name__ == "__main__":
    main()
