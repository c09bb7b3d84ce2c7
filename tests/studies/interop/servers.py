"""The servers: what is installed, how each is configured and started, what it is asked for.

None of them is KiteMesh. All serve `POST {base}/chat/completions`; none needs weights, a key or a network. Another
server is one more entry of SERVERS. In files, commands and the environment `$name` stands for a value:

- `$port`, `$model` and `$token`: where to listen, the model to serve, the token to take;
- `$folder`: the folder that holds the configuration, where the server is started;
- `$bin`: where the environment's programs are, and `$modules`: npm's `node_modules`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

MODEL = "group:7d3f2c1a-5b4e-4f60-8a91-2c3d4e5f6071"
TOKEN = "km_interop_0123456789abcdef"
"""Not a secret: the servers are made for one run and listen on loopback."""
SHORT = "This is a mock response."
COUNTED = "\n".join(str(number) for number in range(1, 61))
"""What the suite's prompt for a long stream asks for."""


def _script(name: str) -> str:
    """The path of a script in this folder, written for `$` to be taken as it is."""
    return str(Path(__file__).with_name(name)).replace("$", "$$")


class Kind(StrEnum):
    """Where a server comes from."""

    PIP = "pip"
    NPM = "npm"


@dataclass(frozen=True, slots=True)
class Server:
    """One server of somebody else's."""

    name: str
    kind: Kind
    package: str
    """The distribution or npm package whose version is told."""
    requirements: tuple[str, ...]
    """What is installed, the server pinned."""
    command: tuple[str, ...]
    bare: tuple[str, ...] = ()
    """Installed without their dependencies, before `requirements` (pip)."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Written into the folder: name to content."""
    prepare: tuple[tuple[str, ...], ...] = ()
    """Commands that run in the folder before the first start."""
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/"
    """Path that is asked with GET until it is answered below 500."""
    base: str = "/v1"
    model: str = MODEL
    token: str = TOKEN
    most_tokens: int | None = None
    """The most tokens that it can write, where it refuses more (for the gateway of `tests.studies.gateway`)."""
    timeout: int = 30
    """Seconds to the first byte: most of these servers have no model that thinks."""
    start_within: float = 120.0
    """Seconds until it has to answer."""


SERVERS: tuple[Server, ...] = (
    Server(
        "llmock",
        Kind.PIP,
        "llmock",
        ("llmock==0.2.2",),
        ("$bin/llmock", "serve", "--host", "127.0.0.1", "--port", "$port", "--log-level", "warning"),
    ),
    Server(
        "mockllm",
        Kind.PIP,
        "mockllm",
        ("mockllm==0.0.8",),
        ("$bin/mockllm", "start", "--responses", "responses.yml", "--host", "127.0.0.1", "--port", "$port"),
        files={
            "responses.yml": f"responses: {{}}\ndefaults:\n  unknown_response: {SHORT}\n"
            "settings:\n  lag_enabled: false\n"
        },
    ),
    Server(
        "fakellm",
        Kind.PIP,
        "fakellm",
        ("fakellm==0.3.5",),
        ("$bin/fakellm", "serve", "--host", "127.0.0.1", "--port", "$port", "--config", "fakellm.yaml"),
        files={"fakellm.yaml": "version: 1\ndefaults:\n  fallback: deterministic_echo\nrules: []\n"},
    ),
    Server(
        "litellm",
        Kind.PIP,
        "litellm",
        # Without prisma, its client of a database, its handler of authentication errors crashes.
        ("litellm[proxy]==1.106.2", "prisma==0.15.0"),
        ("$bin/litellm", "--config", "config.yaml", "--host", "127.0.0.1", "--port", "$port", "--telemetry", "False"),
        files={
            "config.yaml": "model_list:\n  - model_name: $model\n    litellm_params:\n      model: openai/mock\n"
            f"      api_key: none\n      mock_response: {SHORT}\n"
            "general_settings:\n  master_key: $token\n"
        },
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        ready="/health/liveliness",
        token=f"sk-{TOKEN}",
    ),
    Server(
        # Its mock server needs neither torch nor datasets, which weigh gigabytes.
        "guidellm",
        Kind.PIP,
        "guidellm",
        (
            *("click~=8.4.0", "culsans~=0.10.0", "faker", "ftfy", "httpx[http2]<1", "loguru", "more-itertools"),
            *("msgpack", "numpy>=2", "protobuf", "pydantic>=2.11.7", "pydantic-settings", "pyyaml", "rich", "sanic"),
            *("tabulate", "transformers", "typing-extensions", "uvloop", "websockets"),
        ),
        (
            *("$bin/guidellm", "mock-server", "--host", "127.0.0.1", "--port", "$port", "--model", "$model"),
            *("--ttft-ms", "20", "--itl-ms", "20", "--output-tokens", "64"),
        ),
        bare=("guidellm==0.8.1",),
        environment={"HF_HUB_OFFLINE": "1"},
    ),
    Server(
        "llm-katan",
        Kind.PIP,
        "llm-katan",
        ("llm-katan==0.22.0",),
        (
            *("$bin/llm-katan", "--model", "$model", "--backend", "echo", "--host", "127.0.0.1", "--port", "$port"),
            *("--validate-keys", "--api-keys", "openai=$token", "--stats-file", "stats.json"),
            *("--max-concurrent", "64", "--itl-ms", "25", "--log-level", "warning"),
        ),
        # Its answers tell the machine's name, which is nobody's business.
        files={"sitecustomize.py": "import socket\nsocket.gethostname = lambda: 'host'\n"},
        environment={"PYTHONPATH": "$folder"},
    ),
    Server(
        "aimock",
        Kind.NPM,
        "@copilotkit/aimock",
        ("@copilotkit/aimock@1.43.0",),
        (
            *("node", "$modules/@copilotkit/aimock/dist/cli.js", "-h", "127.0.0.1", "-p", "$port"),
            *("-f", "answers.json", "-l", "40", "-c", "5", "--log-level", "warn"),
        ),
        files={
            "answers.json": json.dumps(
                {
                    "fixtures": [
                        {"match": {"userMessage": "Count from 1 to 60"}, "response": {"content": COUNTED}},
                        {"match": {}, "response": {"content": SHORT}},
                    ]
                }
            )
        },
        environment={"AIMOCK_API_KEYS": "$token"},
    ),
    Server(
        # From PyPI torch comes with CUDA's libraries alone: gigabytes, and it cannot be imported without them.
        "transformers",
        Kind.PIP,
        "transformers",
        ("transformers[serving]==5.23.0", "torch==2.15.0"),
        ("$bin/transformers", "serve", "$model", "--host", "127.0.0.1", "--port", "$port", "--device", "cpu"),
        prepare=(("$bin/python", _script("tiny_transformer.py"), "$model"),),
        environment={"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        ready="/health",
    ),
    Server(
        # Built from source: it takes a quarter of an hour and a compiler. The gguf package writes its model.
        "llama-cpp-python",
        Kind.PIP,
        "llama-cpp-python",
        ("llama-cpp-python[server]==0.3.36", "gguf==0.19.0"),
        (
            *("$bin/python", "-m", "llama_cpp.server", "--host", "127.0.0.1", "--port", "$port", "--api_key", "$token"),
            *("--model", "tiny.gguf", "--model_alias", "$model", "--n_ctx", "2048", "--chat_format", "chatml"),
            *("--n_threads", "1", "--interrupt_requests", "False"),
        ),
        prepare=(("$bin/python", _script("tiny_gguf.py"), "$folder/tiny.gguf"),),
        ready="/docs",
        most_tokens=512,
        timeout=120,  # it gives one answer after the other
    ),
)

BY_NAME: Mapping[str, Server] = {server.name: server for server in SERVERS}
