"""Everything that leaves the process is searched for a planted key: output, logs, traces, cassettes, errors."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.servers.message_script import call_block, message, message_start, text_block
from tests.servers.scripted_server import CUT, HttpError, ScriptedServer, Stream, call_chunks, reply, text_chunks

KEY = "sk-planted-0123456789-never-to-be-seen"

#: What a user does, and what may be kept of it. It runs in its own process, whose whole output is captured.
PROGRAM = """
    import asyncio, logging, pickle, sys, traceback
    from pathlib import Path
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    from asyncfc_jupyter import Agent, tool
    from asyncfc_jupyter.agent.persistence import to_json
    from asyncfc_jupyter.models.catalog import Where
    from asyncfc_jupyter.models.doctor import examine

    @tool(pure=True)
    def env() -> str:
        "Show the environment."
        import os
        return "nothing to see"

    async def main(url, api):
        agent = Agent("m", base_url=url, api=api, tools=[env], record="talk.jsonl")
        print(agent, vars(agent), vars(agent.model), sep="\\n")
        run = await agent.run("go")
        print(run, vars(run), run.trace.to_json(), run.conversation.messages, run.timeline().text(width=100), sep="\\n")
        run.timeline().save("run.html")
        run.trace.save("run.json")
        Path("talk.json").write_text(to_json(run.conversation))
        where = Where(base_url=url, api=api)
        for _ in range(2):
            report = await examine("m", where=where, progress=print)
            print(report, report.text(), report.text(magic=True), where, sep="\\n")
        for prompt in ("refuse", "fail", "break"):
            try:
                await agent.run(prompt)
            except Exception as error:
                print(repr(error), vars(error))
                shown = traceback.TracebackException.from_exception(error, capture_locals=True)
                print("".join(shown.format()))
        try:
            pickle.dumps(agent.model)
        except TypeError as error:
            print(error)

    asyncio.run(main(*sys.argv[1:]))
"""


QUOTES = f"Incorrect API key provided: {KEY}"
REFUSED = HttpError(status=401, message=QUOTES)


def chat(body):
    """The server's policy for Chat Completions."""
    ends = {
        "refuse": REFUSED,
        "fail": reply(text_chunks("a"), {"error": {"message": QUOTES}}),
        "break": reply(text_chunks("a"), CUT),
    }
    prompt = [message["content"] for message in body["messages"] if message["role"] == "user"][-1]
    if prompt in ends:
        return ends[prompt]
    called = any(message["role"] == "tool" for message in body["messages"])
    return reply(text_chunks("Done.")) if called else reply(call_chunks(0, "a", "env", {}))


def messages(body):
    """The same for the Messages API."""
    begun = (message_start(), {**text_block("a")[0], "index": 0})
    error = {"type": "error", "error": {"type": "api_error", "message": QUOTES}}
    ends = {"refuse": REFUSED, "fail": Stream((*begun, error)), "break": Stream((*begun, CUT))}
    prompt = body["messages"][-1]["content"][-1].get("text")
    if prompt in ends:
        return ends[prompt]
    called = "tool_result" in json.dumps(body["messages"])
    return message(text_block("Done.") if called else call_block("a", "env", {}))


@pytest.fixture(params=[chat, messages], ids=["chat", "messages"])
def spoken(tmp_path, request):
    """All texts that a run with a planted key wrote, by their place."""
    policy = request.param

    with ScriptedServer(policy) as server:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), server.base_url, policy.__name__],
            env=os.environ
            | {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url}
            | {"OPENAI_LOG": "debug", "ANTHROPIC_LOG": "debug", "PYTHONPATH": str(Path.cwd())},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert {each.headers["authorization"] for each in server.requests} == {f"Bearer {KEY}"}
    files = {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    return {"stdout": done.stdout, "stderr and logs": done.stderr, **files}


def test_a_planted_key_leaves_the_process_by_no_way_but_the_request(spoken) -> None:
    assert {"talk.jsonl", "run.html", "run.json", "talk.json"} <= spoken.keys()
    assert any("examined_at" in text for where, text in spoken.items() if where.endswith(".json"))
    for what in (
        "kept; --fresh",
        "ServerError",
        "(401)",
        "ended the reply with an error",
        "broke off",
        "a key is not pickled",
    ):
        assert what in spoken["stdout"], what
    assert "DEBUG" in spoken["stderr and logs"]
    for where, text in spoken.items():
        assert KEY not in text, where
        assert KEY not in json.dumps(text), where
