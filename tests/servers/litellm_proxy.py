"""LiteLLM's proxy, which others wrote: one server with OpenAI's APIs in front of other providers' APIs.

It runs in a virtual environment of its own, built on first use: about 750 MB, most of which is not used here.
Run as a script by that environment's Python, this file *is* the proxy, and imports nothing of the tests.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

REQUIREMENT = "litellm[proxy]==1.108.7"
#: It refuses to start without a key, and asks for it with each request.
KEY = "sk-outside-proxy-0123456789"
#: It starts without a network: its prices are those of its package, and it reports no use of itself.
_ENVIRONMENT = {
    "LITELLM_MASTER_KEY": KEY,
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_TELEMETRY": "False",
    "DISABLE_ADMIN_UI": "True",
    "PYTHONPATH": "",
}


def litellm_python() -> Path:
    """Return the Python of the proxy's environment; skips the test if it cannot be built, and fails it in CI."""
    from tests.servers.program import unavailable, wanted
    from tests.virtual_environments import NotBuilt, environment, is_built

    if not is_built("litellm", [REQUIREMENT]):
        wanted("LiteLLM's proxy (about 750 MB)")
    try:
        return environment("litellm", [REQUIREMENT])
    except NotBuilt as error:
        unavailable(str(error))
        raise


@contextlib.contextmanager
def litellm_proxy(name: str, config: Path, models: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Run the proxy until the block ends and give its base URL, such as ``http://127.0.0.1:40123/v1``.

    Args:
        name: The name of its log.
        config: A file that does not exist yet, for its configuration.
        models: The parameters of each model that it offers, in its own words, by the model's name.
    """
    from tests.servers.program import running

    python = litellm_python()
    offered = [{"model_name": model, "litellm_params": dict(parameters)} for model, parameters in models.items()]
    config.write_text(json.dumps({"model_list": offered, "litellm_settings": {"num_retries": 0}}))  # YAML includes JSON
    environment = {**_ENVIRONMENT, "CONFIG_FILE_PATH": str(config)}
    with running(name, [str(python), __file__], health="/health/liveliness", environment=environment) as address:
        yield f"{address}/v1"


def _serve() -> None:
    """Be the proxy, on a free port, until the standard input closes."""
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    uvicorn = importlib.import_module("uvicorn")
    app = importlib.import_module("litellm.proxy.proxy_server").app
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(f"listening on http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, lifespan="on")).run(sockets=[listening])


if __name__ == "__main__":
    _serve()
