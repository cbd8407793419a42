"""Models in a notebook: aliases, the doctor, cassettes, and a saved notebook without a trace of the key."""

import os

import nbformat
import pytest
from nbclient import NotebookClient

from tests.servers.scripted_server import HttpError, ScriptedServer, call_chunks, reply, text_chunks

pytestmark = pytest.mark.kernel

KEY = "sk-planted-0123456789-never-to-be-seen"
LOAD = "%load_ext asyncfc_jupyter\nfrom IPython import get_ipython"
TOOL = '%%tool --pure\ndef get_price(item: str) -> int:\n    """Tell a price."""\n    return len(item)'


def run_notebook(tmp_path, *cells, fails=False):
    """Execute the cells in one kernel with a home of its own; return the notebook as it would be saved, and its outputs."""
    environment = {
        **os.environ,
        "OPENAI_API_KEY": KEY,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        **{f"XDG_{name}_HOME": str(tmp_path / name) for name in ("CONFIG", "CACHE")},
    }
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (LOAD, *cells)])
    client = NotebookClient(notebook, allow_errors=fails, timeout=60, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=environment)
    return nbformat.writes(notebook), [_text(cell) for cell in notebook.cells[1:]]


def _text(cell):
    shown = [output.get("text") or output.get("data", {}).get("text/plain") or "" for output in cell.outputs]
    return "".join(shown) + "".join("".join(output.get("traceback", ())) for output in cell.outputs)


def test_the_models_of_a_server_are_listed_marked_and_offered(tmp_path) -> None:
    names = [f"org/model-{number:03}" for number in range(70)]
    with ScriptedServer(models=names) as server:
        complete = "get_ipython().complete('org/model-00', '%agent model org/model-00', 25)[1]"
        _, shown = run_notebook(
            tmp_path,
            "%agent model --list --server nowhere",
            f"%agent model org/model-002 --base-url {server.base_url}",
            complete,
            "%agent model --list",
            complete,
            "%agent model 06 --list",
            "for _ in range(1):\n    %agent model zebra --list",
            "%agent model",
            "%agent model --list --base-url http://127.0.0.1:9/v1",
            "%agent model rehearsal\n%agent model --list",
            fails=True,
        )
    assert "there is no server 'nowhere'" in shown[0]
    assert shown[2] == "['org/model-002']"
    lines = shown[3].splitlines()
    assert lines[0] == f"{server.base_url} has 70 models:"
    assert lines[1:4] == ["  org/model-000", "  org/model-001", "  org/model-002  in use"]
    assert lines[60:] == [
        "  org/model-059",
        "  and 10 more; a part of the name shows those that contain it: %agent model PART --list",
    ]
    assert "org/model-009" in shown[4]
    assert shown[5].splitlines()[0] == f"{server.base_url} has 11 models whose names contain '06':"
    assert shown[6] == f"{server.base_url} lists no models whose names contain 'zebra'; it has 70 others."
    assert shown[7].startswith("org/model-002 at ")
    assert "127.0.0.1:9/v1" in shown[8]
    assert "the rehearsal model has no server" in shown[9]


def test_aliases_and_the_model_are_set_shown_and_removed(tmp_path) -> None:
    _, shown = run_notebook(
        tmp_path,
        "%agent model",
        "%agent alias",
        "%agent alias fast=gpt-6-luna",
        "%agent alias",
        "%agent model fast --server ollama",
        "%agent",
        "%agent alias fast=",
        "%agent alias fast",
        "%agent model a b",
        "%agent model a --sever x",
        "%agent model mine --server lmstudio",
        "%agent model other",
        "%agent model --server vllm",
        "%agent model other --server olama",
        "%agent model other --api foo",
        "%agent model other --api-key-env hunter2-is-a-password",
        "%agent model",
        fails=True,
    )
    assert shown[0].startswith("No model yet")
    assert shown[1].startswith("No aliases yet")
    assert shown[2:5] == ["fast stands for gpt-6-luna.\n", "fast  gpt-6-luna\n", "fast at ollama\n"]
    assert "model         fast at ollama\n" in shown[5]
    assert shown[6] == "fast is not an alias any more.\n"
    assert "write NAME=MODEL" in shown[7]
    assert "takes one model's name; it was given 2" in shown[8]
    assert "there is no option --sever" in shown[9]
    assert shown[10:13] == ["mine at lmstudio\n", "other at lmstudio\n", "other at vllm\n"]
    assert "%agent model: there is no server 'olama'" in shown[13]
    assert "%agent model: there is no api 'foo'" in shown[14]
    assert "takes the name of an environment variable" in shown[15]
    assert "hunter2" not in shown[15]
    assert shown[16] == "other at vllm\n", "what was refused changed nothing"


def test_a_cell_is_recorded_and_then_replayed_without_a_server(tmp_path) -> None:
    """Neither the saved notebook nor the cassette holds the key."""
    answers = [
        reply(call_chunks(0, "a", "get_price", {"item": "tea"})),
        reply(text_chunks("It costs 3.")),
        HttpError(status=401, message=f"Incorrect API key provided: {KEY}"),
    ]
    with ScriptedServer(answers) as server:
        cell = f"%%agent --mode eager --model m --base-url {server.base_url} --record talk.jsonl\nWhat does tea cost?"
        saved, shown = run_notebook(tmp_path, TOOL, cell, "%%agent\nAnd coffee?", fails=True)
    assert "It costs 3." in shown[1]
    assert "asks for a key (401): Incorrect API key provided: ***" in shown[2]
    assert KEY not in saved
    assert KEY not in (tmp_path / "talk.jsonl").read_text()
    replay = "%%agent --mode eager --replay talk.jsonl --speed instant\nWhat does {} cost?"
    saved, shown = run_notebook(
        tmp_path,
        TOOL,
        replay.format("tea"),
        "_agent.answer, _agent.model",
        "%agent reset",
        replay.format("coffee"),
        fails=True,
    )
    assert shown[2] == "('It costs 3.', 'm')"
    assert "CassetteDiffers: the conversation departs from talk.jsonl at request 1: messages[0].content" in shown[4]
    assert '"What does tea cost?' in shown[4]


def test_the_doctor_examines_the_sessions_model_and_keeps_its_report(tmp_path) -> None:
    def policy(body):
        if "messages" not in body:
            return HttpError(status=404)
        answered = any(message["role"] == "tool" for message in body["messages"])
        return reply(text_chunks("Fine.")) if answered else reply(call_chunks(0, "a", "get_time", {"city": "LIS"}))

    with ScriptedServer(policy) as server:
        _, shown = run_notebook(
            tmp_path,
            "%agent doctor",
            f"%agent model m --base-url {server.base_url}",
            "%agent doctor",
            "%agent doctor",
            "%agent doctor --fresh",
            fails=True,
        )
        asked = len(server.requests)
    assert "no model is chosen" in shown[0]
    assert "use                 --api chat --mode async" in shown[2]
    assert "kept; --fresh asks again" in shown[3]
    assert "kept" not in shown[4]
    assert asked == 18  # two of Chat Completions, one of the Responses API and six for two at once, all twice
