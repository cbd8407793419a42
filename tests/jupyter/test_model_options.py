"""Options of a model, extra headers and the limit of a reply in a real kernel, as the server sees them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.kernels.harness import Kernel
from tests.servers.scripted_server import (
    Gate,
    HttpError,
    ScriptedServer,
    Stream,
    call_chunks,
    chunk,
    reply,
    text_chunks,
)

pytestmark = pytest.mark.kernel

SECRET = "gw-c93jf02mfk38fj3l"


@pytest.fixture
def shell(kernel_of_module: Kernel) -> Iterator[Kernel]:
    """Return a kernel without settings, whose conversations are new."""
    kernel_of_module.run("%agent reset")
    yield kernel_of_module
    unset = "".join(
        f"%config AgentMagics.{name} = None\n" for name in ("model", "base_url", "headers", "model_options")
    )
    kernel_of_module.run(f"{unset}%agent model rehearsal")


def answering(number: int) -> ScriptedServer:
    return ScriptedServer([reply(text_chunks("ok"))] * number)


def test_options_and_headers_of_a_line_are_kept_until_they_are_changed(shell: Kernel) -> None:
    """They belong to the model and to its server: another model has other options, another server other headers."""
    shell.run(f"import os; os.environ['MY_GATEWAY'] = {SECRET!r}; t = 0.2")
    headers = "--header 'X-Title: my notebook' --header 'x-gateway-key: env:MY_GATEWAY'"
    with answering(4) as server, answering(1) as other:
        cells = [
            f"--model m --base-url {server.base_url} --option temperature={{t}} --option tool_choice=required {headers}",
            """--option 'stream_options={"include_usage": true}' --option tool_choice=""",
            "",
            "--model n",
            f"--base-url {other.base_url}",
        ]
        shown = []
        for line in cells:
            cell = shell.run(f"%%agent {line}\nHello?")
            assert cell.status == "ok", cell.traceback
            shown.append(shell.run("%agent model").stdout)
        usual = {"messages", "model", "stream", "tools"}
        sent = [{n: v for n, v in each.body.items() if n not in usual} for each in (*server.requests, *other.requests)]
        usage = {"stream_options": {"include_usage": True}}
        assert sent[0] == {"temperature": 0.2, "tool_choice": "required"}
        assert sent[1:] == [{"temperature": 0.2, **usage}, {"temperature": 0.2, **usage}, {}, {}]
        titles = [(each.headers.get("x-title"), each.headers.get("x-gateway-key")) for each in server.requests]
        assert titles == [("my notebook", SECRET)] * 4
        assert {"x-title", "x-gateway-key"}.isdisjoint(other.requests[0].headers)
    assert "with temperature=0.2, tool_choice=required, " in shown[0]
    assert SECRET not in "".join(shown) + shell.run("%agent config\n%agent").stdout


def test_the_settings_give_options_and_headers_and_config_shows_them(shell: Kernel) -> None:
    with answering(3) as server:
        shell.run(
            f"%config AgentMagics.model = 'm'\n%config AgentMagics.base_url = {server.base_url!r}\n"
            "%config AgentMagics.model_options = {'temperature': 0.5, 'seed': 7}\n"
            "%config AgentMagics.headers = {'X-Title': 'mine'}"
        )
        row = next(line for line in shell.run("%agent config").stdout.splitlines() if line.startswith("model_options"))
        assert '{"temperature": 0.5, "seed": 7}' in row
        for line in ("", "--option seed= --option temperature=1 --header X-Title:", ""):
            assert shell.run(f"%%agent {line}\nHello?").status == "ok"
        refused = shell.run("%config AgentMagics.headers = {'x-api-key': 'hunter2'}")
        assert '"x-api-key: env:MY_KEY"' in refused.stderr
        assert "hunter2" not in refused.stderr
    first, *others = server.requests
    assert (first.body["temperature"], first.body["seed"], first.headers["x-title"]) == (0.5, 7, "mine")
    for request in others:
        assert (request.body["temperature"], "seed" in request.body, "x-title" in request.headers) == (1, False, False)


def test_the_options_that_the_doctor_recommends_work_as_they_are_printed(shell: Kernel) -> None:
    def policy(body: dict) -> Stream | HttpError:
        if "messages" not in body:
            return HttpError(status=404)
        if body["messages"][-1]["role"] == "tool":
            counted = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
            return reply(text_chunks("Fine."), counted if "stream_options" in body else ())
        return (
            reply(call_chunks(0, "a", "get_time", {"city": "LIS"})) if body.get("tools") else reply(text_chunks("ok"))
        )

    with ScriptedServer(policy) as server:
        place = f"m --base-url {server.base_url} --option seed=7"
        report = shell.run(f"%agent doctor {place} --fresh").displays[0]["text/plain"]
        use = next(line for line in report.splitlines() if line.startswith("use ")).partition(" ")[2].strip()
        assert use == """--api chat --mode async --option 'stream_options={"include_usage": true}'"""
        assert all(request.body["seed"] == 7 for request in server.requests)
        asked = len(server.requests)
        assert shell.run(f"%agent model {place}").stdout == f"m at {server.base_url}, with seed=7\n"
        cell = shell.run(f"%%agent {use}\nHello?")
        assert cell.status == "ok", cell.traceback
    sent = [(request.body["seed"], request.body["stream_options"]) for request in server.requests[asked:]]
    assert sent == [(7, {"include_usage": True})] * len(sent)
    assert sent


def test_a_wrong_option_of_the_model_is_one_line_and_nothing_is_sent(shell: Kernel) -> None:
    with answering(1) as server:
        assert shell.run(f"%%agent --model m --base-url {server.base_url}\nHello?").status == "ok"
        before = shell.run("%agent model").stdout
        for option, says in (("stream=false", "cannot be set"), ("temperature", "NAME=VALUE"), ("api_key=x", "a key")):
            cell = shell.run(f"%%agent --option {option}\nHello?")
            assert says in cell.traceback
            assert len(cell.traceback.strip().splitlines()) == 1
        assert shell.run("%agent model").stdout == before


@pytest.mark.parametrize("line", ["--max-tokens 40", "--max-reply-tokens 40"])
def test_a_reply_without_end_is_closed_at_its_limit_and_the_cell_says_so(shell: Kernel, line: str) -> None:
    endless = Stream((*itertools.repeat(chunk({"content": "And so on. "}), 2000), Gate()))
    with ScriptedServer([endless]) as server:
        cell = shell.run(f"%%agent --model m --base-url {server.base_url} {line}\nTell a story.")
        server.requests[0].wait_disconnected()
        assert server.requests[0].body["max_tokens"] == 40
    if line.startswith("--max-tokens"):
        assert "BudgetSpent: the model has not answered within 40 tokens" in cell.traceback
    else:
        assert cell.status == "ok", cell.traceback
        shown = str(cell.displays)
        assert "the answer was cut off at its limit of 40 tokens; raise --max-reply-tokens" in shown


def test_extra_fields_of_a_tool_cell_are_sent(shell: Kernel) -> None:
    with answering(1) as server:
        defined = shell.run(
            "%%tool --pure --extra strict=true\ndef double(x: int) -> int:\n    'Double.'\n    return 2 * x"
        )
        assert defined.status == "ok", defined.traceback
        assert shell.run(f"%%agent --model m --base-url {server.base_url} --tools double\nHello?").status == "ok"
        function = server.requests[0].body["tools"][0]["function"]
        assert (function["name"], function["strict"]) == ("double", True)
