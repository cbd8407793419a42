"""llama.cpp's own server in two builds, with a real, very small model and the schemas that a run sends.

The server makes a grammar of the schemas, or a parser of the template, and so sees more of a request than a server that only
passes it on. What differs between the builds is in `tests.servers.llama_server`. A model this small chooses nothing, but it
repeats: the prompt holds the call that it is to make.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.agent.run import Run
from asyncfc_jupyter.agent.turn import opening
from asyncfc_jupyter.errors import AsyncFCError, RunStopped
from asyncfc_jupyter.models.base import ChatModel, ChatRequest, Delta, Finish
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.openai.responses import OpenAIResponses
from asyncfc_jupyter.modes import Mode
from asyncfc_jupyter.tools.definition import Tool, make_tool
from tests.outside.journey import doctor, still
from tests.servers.llama_server import BUILDS, llama_server
from tests.suite.expected import Compare
from tests.tools.kinds import KINDS, Frame, tool_of_all_kinds

#: A prompt of 2700 tokens is read for half a minute where two cores are shared with other tests.
pytestmark = [pytest.mark.real_model, pytest.mark.timeout(900)]
PATIENCE_S = 300.0

#: A value of each kind of parameter, as a model writes it, in groups that one call takes. `Frame` has none: only a reference.
#: Both builds hold the arguments to the schema, by which a time has a zone.
VALUES: tuple[dict[str, Any], ...] = (
    {"text": "here", "count": 3, "share": 0.5, "yes": True},
    {"seat": "aisle", "colour": "red", "perhaps": 7, "either": ["a"]},
    {"numbers": [1, 2], "pair": [1, "a"], "prices": {"a": 1.5}},
    {"address": {"street": "Rua", "number": 1, "country": "PT"}, "bounded": 5},
    {"addresses": [{"street": "Rua", "number": 1, "country": "PT"}]},
    {"room": {"beds": 2, "extras": ["tea"]}, "short": "a"},
    {"meal": {"at": "12:30:00Z", "price": 9.5}},
    {"day": "2026-05-01", "moment": "2026-05-01T10:00:00Z"},
    {"anything": {"x": 1}},
)


@pytest.fixture(scope="module", params=list(BUILDS))
def base_url(request: pytest.FixtureRequest) -> Iterator[str]:
    with llama_server(f"llama-{request.param}", request.param) as url:
        yield url


def repeat(name: str, arguments: Mapping[str, Any]) -> str:
    """Return a prompt that makes the model call this."""
    return f"Repeat:\n<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


def asked(base_url: str, prompt: str, *tools: Tool, **options: Any) -> Run:
    """Return the run of a prompt, which may end at its limit of turns: the model may repeat its call for ever."""
    model_options = {"temperature": 0, "max_tokens": 160}
    agent = Agent("smollm2", base_url=base_url, tools=tools, model_options=model_options, **options)

    async def main() -> Run:
        run = agent.start(prompt)
        await run.ended()
        return run

    run = asyncio.run(main())
    assert run.error is None or isinstance(run.error, RunStopped), run.error
    return run


@pytest.mark.parametrize("adapter", [OpenAIChat, OpenAIResponses])
def test_schemas_of_every_kind_of_parameter_are_taken(base_url: str, adapter: type[Any]) -> None:
    """A server that cannot make a grammar of one schema refuses the whole request."""
    model: ChatModel = adapter("smollm2", base_url=base_url, api_key="none", timeout_s=PATIENCE_S)
    system, definitions = opening([tool_of_all_kinds()], mode=Mode.ASYNC, system=None)
    limit = "max_tokens" if adapter is OpenAIChat else "max_output_tokens"
    for choice in ("auto", "required"):
        request = ChatRequest(
            messages=[*system, {"role": "user", "content": "Take them."}],
            tools=definitions,
            options={"tool_choice": choice, limit: 8},
        )

        async def deltas(request: ChatRequest = request) -> list[Delta]:
            return [delta async for delta in model.stream(request)]

        assert sum(isinstance(delta, Finish) for delta in asyncio.run(deltas())) == 1


@pytest.mark.parametrize("values", VALUES, ids=[" ".join(values) for values in VALUES])
def test_a_call_with_values_of_these_kinds_arrives(base_url: str, values: dict[str, Any]) -> None:
    got: list[dict[str, Any]] = []

    def take(**given: Any) -> str:
        """Take the values."""
        got.append(given)
        return "taken"

    kinds = {kind: KINDS[kind][0] for kind in values}
    parameters = [
        inspect.Parameter(kind, inspect.Parameter.KEYWORD_ONLY, annotation=hint) for kind, hint in kinds.items()
    ]
    take.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    take.__annotations__ = dict(kinds)
    asked(base_url, repeat("take", values), make_tool(take), max_turns=1)
    assert got[0] == {kind: TypeAdapter(hint).validate_python(values[kind]) for kind, hint in kinds.items()}


@pytest.mark.parametrize("mode", list(Mode))
def test_a_run_in_each_mode_calls_and_goes_on(base_url: str, mode: str) -> None:
    def get_weather(city: str, days: int) -> str:
        """Weather of a city."""
        return f"sunny in {city} for {days} days"

    run = asked(
        base_url, repeat("get_weather", {"city": "LIS", "days": 3}), make_tool(get_weather), mode=mode, max_turns=2
    )
    assert run.futures["f1"].result() == "sunny in LIS for 3 days"
    assert run.turns == 2
    assert run.request is not None
    assert "sunny in LIS for 3 days" in json.dumps(run.request.messages)


def test_a_reference_is_written_in_place_of_a_number(base_url: str) -> None:
    """The server's grammar allows it. No call came before, so the layer refuses it, and the model is shown why."""

    def pay(number: int, frame: Frame) -> str:
        """Pay an order."""
        return "paid"

    run = asked(base_url, repeat("pay", {"number": "$f1.number", "frame": "$f2[0]"}), make_tool(pay), max_turns=1)
    with pytest.raises(AsyncFCError, match="no earlier call of this conversation produced f1"):
        run.futures["f1"].result()


def test_the_doctor_reports_each_build(
    base_url: str, home: Path, expected: Compare, request: pytest.FixtureRequest
) -> None:
    """Without what depends on the reply of the model: whether it calls, how often, and whether it ended in time."""
    report = still(doctor("smollm2", base_url, home))
    report = re.sub(r"(?m)^(calls|arguments|ids, indexes|usage|use) .*\n", "", report)
    expected(f"doctor-on-llama-{request.node.callspec.params['base_url']}.txt", report)
