"""One journey for every server that others wrote: three calls, of which two pass on a value of the call before."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.agent.run import Run
from asyncfc_jupyter.tools.definition import Tool, make_tool

PROMPT = "Plan a journey to Lisbon."
ANSWER = "All is booked."
#: What a model that thinks says before a call, and how its provider signs it.
THOUGHT = {"reasoning": "The cheapest is best.", "reasoningSignature": "c2lnbmVk"}
#: What the tools return, by future.
VALUES: dict[str, Any] = {"f1": {"flight": "TP1", "price": 99.5}, "f2": {"order": 17, "seats": 2}, "f3": "receipt 17"}
#: A minute is more than a model that makes no sense, or a proxy that starts slowly, takes.
_DOCTOR_LIMIT_S = 300


class Journey:
    """The tools, and the calls that were made of them."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def search(self, city: str, max_price: float) -> dict[str, Any]:
        """Search a flight to a city."""
        self.made.append(f"search {city} {max_price}")
        return dict(VALUES["f1"])

    def book(self, flight: str, seats: int = 1) -> dict[str, Any]:
        """Book seats in a flight."""
        self.made.append(f"book {flight} {seats}")
        return dict(VALUES["f2"])

    def receipt(self, order: int) -> str:
        """Write the receipt of an order."""
        self.made.append(f"receipt {order}")
        return str(VALUES["f3"])

    @property
    def tools(self) -> list[Tool]:
        """The tools, in the order of the journey."""
        return [make_tool(each) for each in (self.search, self.book, self.receipt)]

    def on(self, model: str, **options: Any) -> Run:
        """Return the run of the journey on a model; its options are an agent's."""
        return asyncio.run(Agent(model, tools=self.tools, **options).run(PROMPT))

    def went_well(self, run: Run) -> bool:
        """Return whether each call ran once, with the values of the calls before, and the run has its answer."""
        values = {name: future.result() for name, future in run.futures.items()}
        assert self.made == ["search LIS 120.5", "book TP1 2", "receipt 17"]
        assert values == VALUES
        assert (run.outcome, run.answer, run.note) == ("answered", ANSWER, "")
        return True


def _call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


#: The calls of one reply, with references.
CALLS = [
    _call("search", city="LIS", max_price=120.5),
    _call("book", flight="$f1.flight", seats=2),
    _call("receipt", order="$f2.order"),
]


def fixtures(**more: Any) -> list[dict[str, Any]]:
    """Return aimock's fixtures for the journey with references: all calls in one reply, then the answer.

    Args:
        more: Further fields of the reply with the calls, such as ``reasoning``.
    """
    # The answer matches anything: of one provider's form aimock does not recognise the results that LiteLLM writes.
    first = {"userMessage": "journey", "hasToolResult": False}
    return [
        {"match": first, "response": {"toolCalls": CALLS, **more}},
        {"match": {}, "response": {"content": ANSWER}},
    ]


def fixtures_of_values(**more: Any) -> list[dict[str, Any]]:
    """Return aimock's fixtures for the journey without references: a call a reply, with the values that were shown.

    Args:
        more: Further fields of each reply with a call, such as ``reasoning``.
    """
    steps = [
        ("receipt 17", {"content": ANSWER}),
        ('"order": 17', {"toolCalls": [_call("receipt", order=17)], **more}),
        ('"flight": "TP1"', {"toolCalls": [_call("book", flight="TP1", seats=2)], **more}),
    ]
    found = [{"match": {"toolResultContains": shown}, "response": response} for shown, response in steps]
    return [*found, {"match": {"userMessage": "journey"}, "response": {"toolCalls": CALLS[:1], **more}}]


#: aimock's fixtures for the doctor: both calls when it asks for two, and a text when it has answered them.
DOCTOR_FIXTURES: list[dict[str, Any]] = [
    {
        "match": {"userMessage": "What is the weather in Lisbon", "hasToolResult": False},
        "response": {"toolCalls": [_call("get_weather", city="Lisbon", days=0), _call("get_time", city="Lisbon")]},
    },
    {"match": {}, "response": {"content": "I wait for the weather."}},
]


def doctor(model: str, base_url: str, home: Path, *options: str, key: str = "none") -> str:
    """Return what ``asyncfc-jupyter doctor`` prints, run as a command, with figures that change from run to run replaced."""
    command = [str(Path(sys.executable).with_name("asyncfc-jupyter")), "doctor", model]
    command += ["--base-url", base_url, "--api-key-env", "OUTSIDE_KEY", "--fresh", *options]
    environment = {**os.environ, "OUTSIDE_KEY": key, "XDG_CACHE_HOME": str(home)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_DOCTOR_LIMIT_S, check=False, env=environment
    )
    return f"{done.stdout}{done.stderr}".strip() + ("" if done.returncode == 0 else f"\nexit code {done.returncode}")


_CHANGING: Mapping[str, str] = {
    r"http://127\.0\.0\.1:\d+": "http://ADDRESS",
    r"(?m)^(first token +)[\d.]+ s$": r"\1N s",
    r"(?m)^(speed +)(\d+ tokens/s|unknown)$": r"\1N tokens/s",
    r"(?m)^(two at once +).*$": r"\1SEEN",
    r"(?m)^(examined +).*$": r"\1THEN",
}


def still(output: str) -> str:
    """Return an output of the doctor without what changes from run to run."""
    for pattern, text in _CHANGING.items():
        output = re.sub(pattern, text, output)
    return output


def features(report: str) -> dict[str, str]:
    """Return what a report of the doctor, as JSON, says of its server, as far as it depends on the server alone."""
    seen = json.loads(report)["seen"]
    return {api: json.dumps(each, sort_keys=True) for api, each in seen.items()}
