"""The tables of the documents are those of the code: options, commands, settings, servers, layers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest

from asyncfc_jupyter import cli
from asyncfc_jupyter.jupyter.commands.table import COMMANDS
from asyncfc_jupyter.jupyter.settings.option import Option
from asyncfc_jupyter.jupyter.settings.table import OPTIONS, SETTINGS, TOOL_OPTIONS
from asyncfc_jupyter.models.profiles import PROFILES
from asyncfc_jupyter.tools.definition import ToolOptions
from tests.docs.pages import ROOT, quoted, table_below
from tests.test_layers import BELOW

DOCS = ROOT / "docs"
#: Options of other programs that a document names: of pytest, the benchmarks and model servers.
ELSEWHERE = {"--accept", "--quick", "--api-key", "--jinja"}


def page(name: str) -> str:
    """Return the text of a document."""
    return (ROOT / name).read_text(encoding="utf-8")


def row(*cells: str) -> str:
    """Return a row of a table of Markdown."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def option_rows(options: Iterable[Option]) -> list[str]:
    """Return a row for each option: how it is written, what it does, its default."""
    lines = [row("option", "means", "default"), row("---", "---", "---")]
    for each in options:
        value = "|".join(each.rule.choices) or each.value or ""
        written = "" if each.rule.kind is bool else f" {value}{' ...' if each.several else ''}"
        lines.append(row(f"`{', '.join(each.flags)}{written}`", each.help, each.built_in))
    return lines


def command_line_rows() -> list[str]:
    """Return a row for each option of each command of ``asyncfc-jupyter``."""
    lines = [row("command", "takes", "means"), row("---", "---", "---")]
    (commands,) = (each.choices for each in cli._parser()._actions if isinstance(each.choices, dict))
    for name, parser in commands.items():
        for each in parser._actions:
            if "--help" not in each.option_strings:
                value = "" if each.nargs == 0 else f" {each.metavar}{' ...' if each.nargs == '+' else ''}"
                written = f"{', '.join(each.option_strings)}{value}".strip()
                lines.append(row(f"`{name}`", f"`{written}`", str(each.help)))
    return lines


def options_page() -> str:
    """Return the whole page of options."""
    commands = [row("command", "does"), row("---", "---")]
    commands += [row(f"`%agent {name} {each.usage}`".replace(" `", "`"), each.help) for name, each in COMMANDS.items()]
    lines = [
        "# Options of the magics and of the command line",
        "",
        "This page is written from the parsers' own tables. An option takes its default from the [settings](settings.md),",
        "if the settings have it.",
        "",
        "## `%%agent`",
        "",
        *option_rows(OPTIONS.values()),
        "",
        "## `%%tool`",
        "",
        "[Tools](tools.md) explains them.",
        "",
        *option_rows(TOOL_OPTIONS.values()),
        "",
        "## `%agent`",
        "",
        *commands,
        "",
        "## `asyncfc-jupyter`",
        "",
        *command_line_rows(),
    ]
    return "\n".join(lines) + "\n"


def test_the_page_of_options_is_that_of_the_parsers(request: pytest.FixtureRequest) -> None:
    path = DOCS / "options.md"
    if request.config.getoption("--accept"):
        path.write_text(options_page(), encoding="utf-8")
    remedy = "docs/options.md is old; if the options are right: python -m pytest tests/docs --accept"
    assert path.read_text(encoding="utf-8") == options_page(), remedy


def test_the_readme_lists_every_command_with_its_words() -> None:
    listed = [name for cells in table_below(page("README.md"), "magic") for name in quoted(cells[0])]
    words = {name.split()[1]: name for name in listed if name.startswith("%agent ")}
    assert set(words) | {"status"} == set(COMMANDS)
    for name, written in words.items():
        mentioned = re.findall(r"--[\w-]+", written)
        assert set(mentioned) <= {each.flag for each in COMMANDS[name].options}, written


def test_every_option_that_a_document_names_exists() -> None:
    flags = {each.flag for each in [*OPTIONS.values(), *TOOL_OPTIONS.values()]}
    flags |= {flag.flag for command in COMMANDS.values() for flag in command.options}
    flags |= set(re.findall(r"--[a-z-]+", "\n".join(command_line_rows())))
    for name in ["README.md", *(f"docs/{path.name}" for path in DOCS.glob("*.md"))]:
        for line in page(name).splitlines():
            for code in quoted(line):
                if re.match(r"%%?(agent|tool)\b|--", code):
                    unknown = set(re.findall(r"(?<![\w-])--[a-z][\w-]+", code)) - flags - ELSEWHERE
                    assert not unknown, f"{name}: {line}"


def test_the_table_of_settings_is_complete_and_has_the_defaults() -> None:
    rows = table_below(page("docs/settings.md"), "setting")
    listed = [name for cells in rows for name in quoted(cells[0])]
    assert sorted(listed) == sorted(SETTINGS)
    for cells in rows:
        for name, default in zip(quoted(cells[0]), cells[2].split(", "), strict=False):
            built_in = SETTINGS[name].built_in
            if re.fullmatch(r"[\w.]+", built_in):
                assert default.strip("`") == built_in, name


def test_the_table_of_tool_options_has_every_option() -> None:
    listed = [name for cells in table_below(page("docs/tools.md"), "option") for name in quoted(cells[0])]
    assert sorted(listed) == sorted(set(ToolOptions.__annotations__) - {"name", "description"})
    assert set(TOOL_OPTIONS) == set(listed)


def test_the_tables_of_servers_have_every_profile_as_it_is() -> None:
    text = page("docs/servers.md")
    rows = {quoted(cells[0])[0]: [*quoted(" ".join(cells[1:]))] for cells in table_below(text, "`--server`, `server=`")}
    assert rows == {name: [each.base_url, each.api, each.key_variable] for name, each in PROFILES.items()}
    started: list[Any] = [quoted(cells[0]) for cells in table_below(text, "`--server`")]
    assert [names[0] for names in started if names] == list(PROFILES)
    (server,) = (cells for cells in table_below(page("docs/settings.md"), "setting") if quoted(cells[0]) == ["server"])
    assert quoted(server[1]) == list(PROFILES)


def test_the_picture_of_the_layers_is_that_of_the_layer_test() -> None:
    (drawn,) = re.findall(r"```mermaid\n(.*?)```", page("docs/design.md"), re.DOTALL)
    edges: dict[str, set[str]] = {}
    for upper, lower in re.findall(r"(\w+) --> (\w+)", drawn):
        edges.setdefault(upper, set()).add(lower)

    def below(package: str) -> set[str]:
        return {name for lower in edges.get(package, ()) for name in {lower} | below(lower)}

    assert {package: below(package) for package in BELOW if package != "testing"} == {
        package: lower for package, lower in BELOW.items() if package != "testing"
    }
