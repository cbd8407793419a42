"""The magics: they parse, call and display. What they work on lives in the session."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, needs_local_scope, no_var_expand
from IPython.core.magic_arguments import magic_arguments
from traitlets.config import Config

from asyncfc_jupyter.jupyter import options
from asyncfc_jupyter.jupyter.cells import run_sync
from asyncfc_jupyter.jupyter.cells.transformer import RunningCells
from asyncfc_jupyter.jupyter.commands import table
from asyncfc_jupyter.jupyter.completion import Matcher
from asyncfc_jupyter.jupyter.display.error_report import reports_errors
from asyncfc_jupyter.jupyter.settings.settings import AgentSettings
from asyncfc_jupyter.jupyter.settings.table import OPTIONS, TOOL_OPTIONS, AgentOptions
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.text import printable

if TYPE_CHECKING:
    from asyncfc_jupyter.agent.run import Run
    from asyncfc_jupyter.jupyter.session.session import Session


def _lists_commands(magic: options.Magic) -> options.Magic:
    """Append the commands of ``%agent`` to the help of its magic."""
    commands = textwrap.indent(table.commands_help(), "    ")
    magic.__doc__ = f"{inspect.cleandoc(magic.__doc__ or '')}\n\n::\n\n{commands}\n"
    return magic


@magics_class
class AgentMagics(Magics, AgentSettings):
    """``%%tool``, ``%%agent`` and ``%agent``."""

    def __init__(self, shell: InteractiveShell) -> None:
        # The settings are read with all their sources below: an invalid value must not keep the magics from loading.
        super().__init__(shell, config=Config())
        self._shell = shell
        self.cells = RunningCells()
        self.open_settings(shell)
        #: Ends the masking of the notebook's own variables; set when the extension is loaded.
        self.stop_watching: Callable[[], object] = lambda: None
        self.matcher = Matcher(shell, lambda: vars(self).get("session"))

    @cached_property
    def session(self) -> Session:
        """The engine, imported when it is first needed, so that the extension loads quickly."""
        from asyncfc_jupyter.jupyter.session.session import Session  # noqa: PLC0415 - see above

        return Session(self._shell, self.cells, self.settings)

    @property
    def last_run(self) -> Run | None:
        """The session's last run. Asking for it does not load the engine."""
        session: Session | None = vars(self).get("session")
        return None if session is None else session.last

    @no_var_expand
    @magic_arguments("%tool")
    @options.takes(TOOL_OPTIONS)
    @cell_magic
    @reports_errors
    def tool(self, line: str, cell: str) -> None:
        """Run the cell and offer the functions it defines to the model as tools.

        Functions whose names start with an underscore are helpers and are not offered. Running the cell again replaces
        its tools. The model is sent a function's annotations and docstring::

            %%tool --reads flights/{city} --timeout-s 10
            def search_flights(city: str) -> list[dict]:
                "Find flights to a city."

        Options take several values separated by spaces or commas. A path in braces stands for the argument of that name.
        """
        tools = self.session.define_tools(options.tool_options(line), cell)
        from asyncfc_jupyter.jupyter.commands.tools import show_tool  # noqa: PLC0415 - see `session`

        none = "No tool: the cell defines no function at its top level whose name does not start with an underscore."
        _say("\n".join("\n    ".join((show_tool(each), *each.notices)) for each in tools) or none)

    @no_var_expand
    @magic_arguments("%agent")
    @options.takes(OPTIONS)
    @cell_magic
    @reports_errors
    def agent(self, line: str, cell: str) -> None:
        """Ask the model; its tool calls run in the background while it continues.

        The lines below are the prompt::

            %%agent --model NAME --server ollama
            Which of these is cheapest to fly to in {month}? {cities}

        Every {expression} is replaced by its value before anything is sent: text and numbers as they are, all else, such as a
        table, in the summary that a model sees of a result; {price:.2f} and {name!r} work as in an f-string. Write {{ and }}
        for braces, or --raw to send the text as it stands. Braces in values and files are left as they are. For the
        rehearsal model the lines are a plan, whose braces are left alone.

        Afterwards _agent is the run: _agent.answer, _agent.futures["f1"].result(), _agent.why("f2"), _agent.metrics. %agent
        prompt shows what the model was sent, and %agent? lists the other commands.
        """
        given = self._options(line)
        if given.background:
            self.session.start(given, cell)
        else:
            run_sync.run_nested(self.session.ask(given, cell, nested=True)).conclude()

    @no_var_expand
    @needs_local_scope
    @line_magic("agent")  # type: ignore[arg-type]  # IPython's annotations know it without a name only
    @reports_errors
    @_lists_commands
    def agent_line(self, line: str, local_ns: Mapping[str, Any] | None = None) -> Any:
        """Show the session, its runs and its conversations; ``%%agent`` asks the model, and ``%%agent?`` lists its options."""
        answer = table.answer(self.session, self._expanded(line, local_ns or {}))
        if inspect.iscoroutine(answer):
            return run_sync.run_nested(answer).conclude()
        return _say(answer) if isinstance(answer, str) else answer

    @reports_errors
    async def agent_cell(self, line: str, cell: str) -> None:
        """Run a ``%%agent`` cell natively: the transformer writes this call."""
        given = self._options(line)
        if given.background:
            self.session.start(given, cell)
        else:
            (await self.session.ask(given, cell)).conclude()

    @reports_errors
    async def server_line(self, line: str) -> None:
        """Run a line that asks a server natively: the transformer writes this call."""
        answer = table.answer(self.session, self._expanded(line, {}))
        if inspect.iscoroutine(answer):
            (await answer).conclude()
        else:
            _say(answer)

    def _expanded(self, line: str, local_ns: Mapping[str, Any]) -> str:
        from asyncfc_jupyter.jupyter.cells.prompt_template import expanded_line  # noqa: PLC0415 - see `session`

        return expanded_line(line, {**self._shell.user_ns, **local_ns})

    def _options(self, line: str) -> AgentOptions:
        from asyncfc_jupyter.jupyter.cells.prompt_template import replaced_line  # noqa: PLC0415 - see `session`

        replaced = replaced_line(line, self._shell.ev)
        return options.agent_options(replaced, defaults=self.settings.defaults())


def _say(text: str) -> None:
    print(mask(printable(text)))  # noqa: T201 - a magic's answer
