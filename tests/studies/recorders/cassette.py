"""vcrpy around requests: a chat and a stream on one cassette. Arguments: URL, file, token, model. Prints nothing."""

import sys

import requests
import vcr  # type: ignore[import-not-found]

url, file, token, model = sys.argv[1:]
serializer = "json" if file.endswith(".json") else "yaml"
with vcr.VCR(serializer=serializer, filter_headers=["authorization"]).use_cassette(file):
    for stream in (False, True):
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Say word."}]}
        headers = {"Authorization": f"Bearer {token}"}
        requests.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=30).content  # noqa: B018
