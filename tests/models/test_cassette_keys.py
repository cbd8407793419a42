"""No key appears in a cassette, whatever its source and however it was divided."""

import asyncio
import json

import pytest

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.models.base import CallDelta, ReasoningDelta, TextDelta
from asyncfc_jupyter.models.cassette.cassette import Recording, Replay
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.secret import Secret
from asyncfc_jupyter.testing import run_virtually
from asyncfc_jupyter.tools.definition import make_tool
from tests.models.scripted_model import Plays, ask
from tests.servers.scripted_server import ScriptedServer, call_chunks, reply, text_chunks

#: A text in the form of a key.
FORM = "sk-proj-abcdefghijklmnopqrst"


def test_keys_are_masked_and_a_mask_stands_for_any_text(tmp_path) -> None:
    path, key = tmp_path / "c.jsonl", "planted-in-the-environment-0123"

    def env() -> str:
        """Show the environment."""
        return f"KEY={key}; OTHER=sk-abcdefghijklmnopqrstu"

    answers = [reply(call_chunks(0, "a", "env", {})), reply(text_chunks(f"It is {key}."))]
    with ScriptedServer(answers) as server:
        model = OpenAIChat("m", base_url=server.base_url, api_key=key)
        asyncio.run(Agent(model, tools=[make_tool(env, pure=True)], record=path, mode="eager").run("go"))
    assert key not in path.read_text()
    assert "sk-abc" not in path.read_text()
    run = asyncio.run(Agent("m", tools=[make_tool(env, pure=True)], replay=path, mode="eager").run("go"))
    assert run.answer == "It is ***."


@pytest.mark.parametrize("before", ["", "\n", "a\t", "\r\n", "KEY=", "密钥", "\u201c", '"', "\\"])
@pytest.mark.parametrize("key", [FORM, 'planted-"\\-key'], ids=["form", "known"])
@pytest.mark.parametrize("nested", [0, 1, 2])
def test_a_key_is_masked_wherever_in_a_text_or_in_json_in_a_text_it_begins(tmp_path, before, key, nested) -> None:
    path, text, spaced = tmp_path / "c.jsonl", f"{before}{key}", f"{before}***"
    for level in range(nested):
        text, spaced = (json.dumps([each], ensure_ascii=bool(level)) for each in (text, spaced))

    class Knows(Plays):
        secrets = (Secret('planted-"\\-key'),)

    run_virtually(ask(Recording(Knows(TextDelta(text=text), CallDelta(arguments={text: [text]})), path), text))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["message"]["content"] for line in lines if "message" in line] == [spaced]
    assert [line["text"] for line in lines if "text" in line] == [spaced]
    assert [line["call"]["arguments"] for line in lines if "call" in line] == [{spaced: [spaced]}]
    assert run_virtually(ask(Replay(path), text))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 30, 99])
def test_a_key_that_is_said_in_pieces_is_masked_and_its_pieces_are_blank(tmp_path, size) -> None:
    path, known = tmp_path / "c.jsonl", "planted-0123456789"
    text, arguments = f"It is {known}; or {FORM}: no", json.dumps({"key": f"a\n{FORM}", "other": known})

    def pieces(whole):
        return [whole[at : at + size] for at in range(0, len(whole), size)]

    class Knows(Plays):
        secrets = (Secret(known),)

    # Two calls whose arguments arrive in turns, and one whose later pieces have no index.
    texts = [(TextDelta(text=each), ReasoningDelta(text=each)) for each in pieces(text)]
    opened = CallDelta(call_id="b", name="put", arguments="")
    turns = [(CallDelta(index=0, arguments=each), CallDelta(index=1, arguments=each)) for each in pieces(arguments)]
    alone = [CallDelta(arguments=each) for each in pieces(arguments)]
    deltas = [delta for pair in (*texts, *turns) for delta in pair]
    run_virtually(ask(Recording(Knows(*deltas, opened, *alone), path)))
    replayed = run_virtually(ask(Replay(path)))
    assert len(replayed) == len(deltas) + 1 + len(alone)
    for kind in (TextDelta, ReasoningDelta):
        said = "".join(delta.text for delta in replayed if isinstance(delta, kind))
        assert said == "It is ***; or ***: no"
    calls = [delta for delta in replayed if isinstance(delta, CallDelta)]
    for index in (0, 1, None):
        joined = "".join(delta.arguments for delta in calls if delta.index == index)
        assert json.loads(joined) == {"key": "a\n***", "other": "***"}
