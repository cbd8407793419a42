"""The magics: they parse, call and display. What they work on lives in the session."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_cell_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments

from asyncfc_jupyter.jupyter import nested, options
from asyncfc_jupyter.jupyter.transformer import RunningCells

if TYPE_CHECKING:
    from asyncfc_jupyter.jupyter.session import Session


@magics_class
class AsyncFCMagics(Magics):
    """``%%tool``, ``%%agent`` and ``%agent``."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        self.cells = RunningCells()

    @cached_property
    def session(self) -> Session:
        """The engine behind the magics, imported when it is first needed: loading the extension stays quick."""
        from asyncfc_jupyter.jupyter.session import Session  # noqa: PLC0415 - see above

        return Session(self._shell, self.cells)

    @no_var_expand
    @magic_arguments()
    @argument("--reads", nargs="+", metavar="PATH", action="extend", help="state it reads, such as orders/{order_id}")
    @argument("--writes", nargs="+", metavar="PATH", action="extend", help="state it writes")
    @argument("--pure", action="store_true", help="it touches no state at all")
    @argument("--timeout-s", type=float, default=options.DEFAULT_TIMEOUT_S, help="seconds after which a call fails")
    @cell_magic
    def tool(self, line: str, cell: str) -> None:
        """Run the cell and offer the functions it defines to the model as tools.

        Functions whose names start with an underscore are helpers and are not offered. Running the cell again replaces
        its tools.
        """
        _say(self.session.define_tools(options.tool_options(self.tool.parser, line), cell))

    @magic_arguments()
    @argument("--model", help="a model's name, or rehearsal for the built-in one; kept until another is given")
    @argument("--base-url", help="address of an OpenAI-compatible server")
    @argument("--api-key-env", help="name of the environment variable that holds the key")
    @argument(
        "--mode", choices=options.MODES, default="async", help="how calls and decoding interleave (default: async)"
    )
    @argument("--tools", nargs="+", action="extend", metavar="NAME", help="offer these tools only")
    @argument("--max-turns", type=int, default=50, help="requests to the model after which the run stops (default: 50)")
    @argument("--out", default=options.DEFAULT_OUT, help="the run's name in the notebook (default: _agent)")
    @argument("--system", help="text for the system role")
    @argument("--tokens-per-s", type=float, help="rehearsal: speed of decoding")
    @argument("--ttft-ms", type=float, help="rehearsal: milliseconds to the first token")
    @line_cell_magic
    def agent(self, line: str, cell: str | None = None) -> Any:
        """Ask the model; its tool calls run in the background while it goes on.

        As a line: ``%agent`` (status), ``%agent tools``, ``%agent timeline [NAME]``, ``%agent reset``.
        """
        if cell is not None:
            return nested.run_nested(self.session.ask(self._options(line), cell)).conclude()
        answered = self.session.command(line)
        return _say(answered) if isinstance(answered, str) else answered

    async def agent_cell(self, line: str, cell: str) -> None:
        """Run a ``%%agent`` cell natively: the transformer writes this call."""
        # No frame lies that far up, so only the user's own variables are put in the place of $name and {name}.
        expanded = self._shell.var_expand(line, depth=1_000_000)
        (await self.session.ask(self._options(expanded), cell)).conclude()

    def _options(self, line: str) -> options.AgentOptions:
        return options.agent_options(self.agent.parser, line)


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a magic's words to the person
