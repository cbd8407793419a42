"""Which model servers were tried, and what they do: the table of docs/servers.md.

What the doctor says of a server is read from the reports that the tests compare with, so the table is as true as they are.
The rest is stated here, with the test that shows it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asyncfc_jupyter.models.profiles import PROFILES
from tests.servers.litellm_proxy import REQUIREMENT
from tests.servers.llama_server import BUILDS

_HERE = Path(__file__).parent
COLUMNS = ("APIs", "calls a reply", "arguments", "references", "placeholders", "reasoning goes back", "usage")
#: The names of the APIs in a report of the doctor, and in the table.
_APIS = {"Chat Completions": "chat", "Responses": "responses", "Messages": "messages"}
#: Servers of profiles that a row stands for; the others were not tried.
_TRIED_PROFILES = {"llamacpp", "litellm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A server that was tried."""

    server: str
    version: str
    #: The day on which this version was tried first. CI tries it again each time.
    date: str
    #: A file of `expected`, and which of its reports.
    report: tuple[str, int]
    #: By column, what is known besides; it overrides the report.
    known: Mapping[str, str] = field(default_factory=dict)

    def cells(self) -> dict[str, str]:
        """Return what is known, by column."""
        return {**dict(_read(*self.report)), **self.known}


def _read(file: str, place: int) -> Iterator[tuple[str, str]]:
    """Yield the columns that a report of the doctor fills."""
    report = (_HERE / "expected" / file).read_text(encoding="utf-8").split("\n\n")[place]
    rows = dict(line.split("  ", 1) for line in report.strip().splitlines())
    said = {name: text.strip() for name, text in rows.items()}
    yield "APIs", ", ".join(f"`{api}`" for title, api in _APIS.items() if said.get(title) == "yes")
    if "calls" in said:
        yield "calls a reply", "one" if said["calls"].startswith("one") else "several"
        yield "arguments", said["arguments"].split(",")[0].split(":")[0]
    yield "references", said["references"].split(" in ")[0]
    yield "placeholders", said["placeholder"].split(":")[0]
    if "usage" in said:
        yield "usage", said["usage"].split(" (")[0]


def _aimock_version() -> str:
    pinned = json.loads((_HERE.parent / "servers" / "npm" / "package.json").read_text(encoding="utf-8"))
    (version,) = pinned["devDependencies"].values()
    return f"aimock {version}"


_AIMOCK, _LITELLM = _aimock_version(), f"LiteLLM {REQUIREMENT.rpartition('=')[2]}"
#: test_aimock.py and test_litellm.py, by their tests of reasoning and thinking.
_KEPT = {"reasoning goes back": "yes"}
#: The doctor asks for Messages only where `--api` names it; test_litellm.py tries it.
_ALL = {"APIs": "`chat`, `responses`, `messages`"}
_UNTRIED = {"reasoning goes back": "not tried"}
#: test_llama.py drops these rows, which depend on the model; test_real_model.py shows them.
_LLAMA = {"arguments": "stream", "reasoning goes back": "not tried", "usage": "counted when asked for"}

TRIED = (
    Tried(
        server="llama.cpp, build of April 2026",
        version=BUILDS["april"].replace("==", " "),
        date="2026-11-30",
        report=("doctor-on-llama-april.txt", 0),
        known={"calls a reply": "one", **_LLAMA},
    ),
    Tried(
        server="llama.cpp, build of October 2026",
        version=BUILDS["october"].replace("==", " "),
        date="2026-12-01",
        report=("doctor-on-llama-october.txt", 0),
        known={"calls a reply": "several; none is enforced", **_LLAMA},
    ),
    Tried(
        server="OpenAI, emulated", version=_AIMOCK, date="2026-11-30", report=("doctor-on-aimock.txt", 0), known=_KEPT
    ),
    Tried(
        server="Anthropic, emulated",
        version=_AIMOCK,
        date="2026-12-01",
        report=("doctor-on-aimock-messages.txt", 0),
        known=_KEPT,
    ),
    *(
        Tried(
            server=f"LiteLLM's proxy before {name}, emulated",
            version=f"{_LITELLM}, {_AIMOCK}",
            date="2026-11-30",
            report=("doctor-on-litellm.txt", place),
            known=known,
        )
        for place, (name, known) in enumerate(
            {
                "OpenAI": {**_UNTRIED, **_ALL},
                "Anthropic": {"reasoning goes back": "`chat`, `messages`; `responses` loses it", **_ALL},
                "Gemini": {"reasoning goes back": "`chat`, `responses`; `messages` loses it", **_ALL},
                "Bedrock": _UNTRIED,
            }.items()
        )
    ),
)


def table() -> list[str]:
    """Return the rows of the table, in Markdown."""
    names = ("server", "version", "tried", *COLUMNS)
    rows = [names, ("---",) * len(names)]
    for each in TRIED:
        cells = each.cells()
        rows.append(
            (each.server, each.version, f"{each.date}, CI", *(cells.get(column, "not tried") for column in COLUMNS))
        )
    rest = ", ".join(f"`{name}`" for name in PROFILES if name not in _TRIED_PROFILES)
    rows.append((f"the servers of {rest} themselves", "", "**not tried**", *([""] * len(COLUMNS))))
    return [f"| {' | '.join(row)} |".replace("|  |", "| |").replace("|  |", "| |") for row in rows]
