"""The magics: they parse, call and display. What they work on lives in the session."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments
from traitlets.config import Config

from asyncfc_jupyter.jupyter import options
from asyncfc_jupyter.jupyter.cells import run_sync
from asyncfc_jupyter.jupyter.cells.transformer import RunningCells
from asyncfc_jupyter.jupyter.completion import Matcher
from asyncfc_jupyter.jupyter.display.error_report import reports_errors
from asyncfc_jupyter.jupyter.settings.settings import AgentSettings
from asyncfc_jupyter.models.profiles import PROFILES
from asyncfc_jupyter.models.registry import APIS

if TYPE_CHECKING:
    from asyncfc_jupyter.agent import Run
    from asyncfc_jupyter.jupyter.session.session import Session


@magics_class
class AgentMagics(Magics, AgentSettings):
    """``%%tool``, ``%%agent`` and ``%agent``."""

    def __init__(self, shell: InteractiveShell) -> None:
        # The settings are read with all their sources below: a value that is wrong must not keep the magics from loading.
        super().__init__(shell, config=Config())
        self._shell = shell
        self.cells = RunningCells()
        self.open_settings(shell)
        self.matcher = Matcher(shell, self)

    @cached_property
    def session(self) -> Session:
        """The engine behind the magics, imported when it is first needed: loading the extension stays quick."""
        from asyncfc_jupyter.jupyter.session.session import Session  # noqa: PLC0415 - see above

        return Session(self._shell, self.cells, self.settings)

    @property
    def last_run(self) -> Run | None:
        """The session's last run. Asking for it does not load the engine."""
        session: Session | None = vars(self).get("session")
        return None if session is None else session.last

    @no_var_expand
    @magic_arguments("%tool")
    @argument("--reads", nargs="+", metavar="PATH", action="extend", help="state it reads, such as orders/{order_id}")
    @argument("--writes", nargs="+", metavar="PATH", action="extend", help="state it writes")
    @argument("--pure", action="store_true", help="it touches no state at all")
    @argument(
        "--idempotent", action="store_true", help="calling twice does no more than once: may be retried and shared"
    )
    @argument("--irreversible", action="store_true", help="starts only after every earlier call has succeeded")
    @argument("--approve", action="store_true", help="ask me before each call, while everything else goes on")
    @argument("--detached", action="store_true", help="the end of a run does not wait for it")
    @argument("--limit", nargs="+", action="extend", metavar="N", help="calls at once: 2, or by path api/{host}=2")
    @argument("--retries", type=int, metavar="N", help="how often a failed call is made again; if idempotent or pure")
    @argument("--run-in", choices=options.PLACES, help="where it runs (default: async on the loop, others in a thread)")
    @argument("--timeout-s", type=float, metavar="S", help="seconds after which a call fails (default: 60)")
    @cell_magic
    @reports_errors
    def tool(self, line: str, cell: str) -> None:
        """Run the cell and offer the functions it defines to the model as tools.

        Functions whose names start with an underscore are helpers and are not offered. Running the cell again replaces
        its tools. A function's annotations and docstring are what the model is told of it::

            %%tool --reads flights/{city} --timeout-s 10
            def search_flights(city: str) -> list[dict]:
                "Find flights to a city."

        Options take several values separated by spaces or commas. A path in braces stands for the argument of that name.
        """
        _say(self.session.define_tools(options.tool_options(self.tool.parser, line), cell))

    @no_var_expand
    @magic_arguments("%agent")
    @argument("--model", help="a model's name, or rehearsal for the built-in one; kept until another is given")
    @argument("--server", metavar="NAME", help=", ".join(PROFILES))
    @argument("--base-url", help="address of an OpenAI-compatible server")
    @argument(
        "--api", metavar="API", help=f"{', '.join(APIS)}, or one of another package (default: what suits the server)"
    )
    @argument("--api-key-env", help="name of the environment variable that holds the key")
    @argument(
        "--mode", choices=options.MODES, default="async", help="how calls and decoding interleave (default: async)"
    )
    @argument(
        "--compare", nargs="+", action="extend", metavar="MODE", help="run the cell in each of these modes, and compare"
    )
    @argument("--tools", nargs="+", action="extend", metavar="NAME", help="offer these tools only")
    @argument("--max-turns", type=int, default=50, help="turns of the model after which the run stops (default: 50)")
    @argument(
        "--max-requests", type=int, metavar="N", help="the same, with requests made again after a lost connection"
    )
    @argument(
        "--max-tokens", type=int, metavar="N", help="tokens in and out, of all requests, after which the run stops"
    )
    @argument("--max-seconds", type=float, metavar="S", help="seconds after which the run stops")
    @argument("--limit", type=int, default=16, metavar="N", help="calls that may run at once (default: 16)")
    @argument("--out", default=options.DEFAULT_OUT, help="the run's name in the notebook (default: _agent)")
    @argument("--system", metavar="TEXT", help="text for the system role; kept by the conversation")
    @argument("--file", metavar="FILE", help="a file that holds the prompt; the cell's text follows it")
    @argument("--raw", action="store_true", help="send the text as it stands: braces are braces")
    @argument("-f", "--format", choices=options.FORMATS, default="markdown", help="how the answer is shown")
    @argument("--conversation", metavar="NAME", help="the conversation to go on with or to begin (default: main)")
    @argument("--background", action="store_true", help="return the run at once; it goes on behind the cells")
    @argument("--record", metavar="FILE", help="write requests and replies to a cassette")
    @argument("--replay", metavar="FILE", help="answer from a cassette: no server, no key")
    @argument("--speed", metavar="N", help="replay: times as fast as recorded, or instant (default: 1)")
    @argument("--tokens-per-s", type=float, help="rehearsal: speed of decoding")
    @argument("--ttft-ms", type=float, help="rehearsal: milliseconds to the first token")
    @cell_magic
    @reports_errors
    def agent(self, line: str, cell: str) -> Run | None:
        """Ask the model; its tool calls run in the background while it goes on.

        The lines below are the prompt::

            %%agent --model NAME --server ollama
            Which of these is cheapest to fly to in {month}? {cities}

        Every {expression} is replaced by its value before anything is sent: text and numbers as they are, all else, such as a
        table, in the summary that a model sees of a result; {price:.2f} and {name!r} work as in an f-string. Write {{ and }}
        for braces, or --raw to send the text as it stands. Values are not looked at again, and nor are files. For the
        rehearsal model the lines are a plan, whose braces are left alone.

        Afterwards _agent is the run: _agent.answer, _agent.futures["f1"].result(), _agent.why("f2"), _agent.metrics. What the
        model was sent is shown by %agent prompt. %agent? lists what else there is.
        """
        asked = self._options(line)
        if asked.background:
            return self.session.start(asked, cell)
        run_sync.run_nested(self.session.ask(asked, cell, nested=True)).conclude()
        return None

    @line_magic("agent")  # type: ignore[arg-type]  # IPython's annotations know it without a name only
    @reports_errors
    def agent_line(self, line: str) -> Any:
        """Show the session, its runs and its conversations; ``%%agent`` asks the model, and ``%%agent?`` lists its options.

        ::

            %agent status                         where the session stands: model, tools, last run, conversations;
                                                  so does %agent alone
            %agent prompt [CONVERSATION]          what the model was sent: system text, tools and prompt, whole
            %agent history [NAME]                 the messages of a conversation, a line each
            %agent tools [NAME]                   the tools, with what they read and write and how long they take; or one
            %agent why FUTURE                     why a future waited, such as %agent why f4
            %agent timeline [NAME]                the timeline of the last run, or of the one that a variable holds
            %agent compare NAME NAME ...          runs that variables hold, on one time axis
            %agent cancel [FUTURE] [CONVERSATION] cancel the runs that go on, or one future
            %agent reset [NAME]                   begin a conversation anew
            %agent fork NEW [FROM]                begin a conversation from a copy of another
            %agent export FILE [NAME]             write a conversation to a file
            %agent import FILE [NAME]             read one
            %agent model [NAME] [--server NAME] [--base-url URL] [--api API] [--api-key-env NAME]
                                                  show the model in use, or choose one
            %agent alias [NAME=MODEL]             list the short names for models, or make one
            %agent config                         the settings: what holds, and where that was said
            %agent doctor [NAME] [--server NAME] [--base-url URL] [--api API] [--api-key-env NAME] [--fresh]
                                                  what the model's server can do, and which options suit it
        """
        answered = self.command(line)
        return _say(answered) if isinstance(answered, str) else answered

    @reports_errors
    async def agent_cell(self, line: str, cell: str) -> Run | None:
        """Run a ``%%agent`` cell natively: the transformer writes this call."""
        asked = self._options(line)
        if asked.background:
            return self.session.start(asked, cell)
        (await self.session.ask(asked, cell)).conclude()
        return None

    @reports_errors
    async def doctor_line(self, line: str) -> None:
        """Run an ``%agent doctor`` line natively: the transformer writes this call."""
        from asyncfc_jupyter.jupyter.commands.model import doctor_call  # noqa: PLC0415 - see `session`

        (await doctor_call(self.session, self._shell.var_expand(line, depth=1_000_000))).conclude()

    def command(self, line: str) -> Any:
        """Return what a line behind ``%agent`` asks for."""
        from asyncfc_jupyter.jupyter.commands.table import answer  # noqa: PLC0415 - see `session`

        return answer(self.session, line)

    def _options(self, line: str) -> options.AgentOptions:
        from asyncfc_jupyter.jupyter.cells.prompt_template import replaced_line  # noqa: PLC0415 - see `session`

        line = replaced_line(line, self._shell.ev)
        return options.agent_options(
            self.agent.parser, line, defaults=self.settings.defaults(), in_use=self.settings.in_use()
        )


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a magic's words to the person
