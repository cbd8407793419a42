"""The session of one kernel: its tools, the model in use, the conversations and the last run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from IPython.core.interactiveshell import ExecutionInfo, InteractiveShell
from IPython.display import display

from asyncfc_jupyter.agent import Agent, Budget, Run
from asyncfc_jupyter.errors import ToolDefinitionError, UsageError
from asyncfc_jupyter.jupyter.cells.cell_end import CellEnd
from asyncfc_jupyter.jupyter.cells.interrupt import Interrupts, contain
from asyncfc_jupyter.jupyter.cells.prompt_template import written_prompt
from asyncfc_jupyter.jupyter.cells.tool_cell import run_body
from asyncfc_jupyter.jupyter.cells.transformer import RunningCells
from asyncfc_jupyter.jupyter.display.answer_format import AnswerFormat
from asyncfc_jupyter.jupyter.display.cell_output import CellOutput, output_for
from asyncfc_jupyter.jupyter.display.error_report import about
from asyncfc_jupyter.jupyter.session.approval_prompt import Questions, approver_for
from asyncfc_jupyter.jupyter.session.background import Background
from asyncfc_jupyter.jupyter.session.conversations import MAIN, Conversations, Talk
from asyncfc_jupyter.jupyter.session.kernel_input import take_turns
from asyncfc_jupyter.jupyter.session.latencies import Latencies
from asyncfc_jupyter.jupyter.settings.settings import ModelChoice, Settings
from asyncfc_jupyter.jupyter.settings.table import AgentOptions
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.models.aliases import resolve
from asyncfc_jupyter.models.cassette.cassette import recorded_model
from asyncfc_jupyter.models.keys import api_key_in
from asyncfc_jupyter.models.registry import REHEARSAL
from asyncfc_jupyter.text import no_such
from asyncfc_jupyter.tools.definition import Tool, make_tool, marked_options
from asyncfc_jupyter.tools.registry import ToolRegistry

_EFFECTS = {"reads", "writes", "pure"}


class Session:
    """The state of the magics, which lasts from cell to cell."""

    def __init__(self, shell: InteractiveShell, cells: RunningCells, settings: Settings) -> None:
        self.shell, self.settings = shell, settings
        self.registry = ToolRegistry()
        self.conversations = Conversations()
        self.last: Run | None = None
        self.background = Background()
        self.latencies = Latencies()
        #: The models that a server listed last, for the Tab key.
        self.listed_models: tuple[str, ...] = ()
        self._cells = cells
        if (kernel := getattr(shell, "kernel", None)) is not None:
            take_turns(kernel)
        #: The execution of a cell that defined tools last: if it defines more, they are added and replace none.
        self._defining: ExecutionInfo | None = None

    @property
    def model(self) -> ModelChoice | None:
        """The model of a cell that names none: the one chosen last, or that of the settings."""
        return self.settings.reach(None)

    def define_tools(self, options: Mapping[str, Any], body: str) -> tuple[Tool, ...]:
        """Run a ``%%tool`` cell and register the functions it defines; they replace those that the cell defined before.

        Returns:
            The registered tools.

        Raises:
            ToolDefinitionError: A function cannot be a tool; nothing is registered.
            UsageError: The body cannot be run here.
        """
        functions = run_body(self.shell, body, line=self._cells.line_of("%%tool") or 1)
        tools = tuple(contain(_make(function, options)) for function in functions.values())
        cell = self._cells.outermost
        before, self._defining = self._defining, cell
        # A cell is recognised when it is run again by its id; without one, by the functions that it defines.
        origin = str(cell.cell_id) if cell is not None and cell.cell_id else f"defines {', '.join(functions)}"
        self.registry.replace(origin, tools, more=cell is not None and cell is before)
        return tools

    async def ask(self, options: AgentOptions, prompt: str, *, nested: bool = False) -> CellEnd:
        """Run one ``%%agent`` cell to its end, and show it.

        Raises:
            UsageError: The cell cannot be run as its options say; no run was started.
        """
        prompt = self._prompt(options, prompt)
        name = options.conversation or MAIN
        talk = self.conversations.open(name) if options.compare else await self._free(name)
        interrupts = Interrupts()
        error: BaseException | None = None
        with interrupts.handled():
            form = AnswerFormat(name=options.format, insert=self.shell.set_next_input)
            output = output_for(self.shell, form, comparing=bool(options.compare))
            in_each_mode = [replace(options, mode=mode, out=f"{options.out}_{mode}") for mode in options.compare]
            for each in in_each_mode or [options]:
                own = Talk(name, system=talk.system, usual=talk.usual) if options.compare else talk
                run = self._begin(each, own, prompt=prompt, output=output, nested=nested)
                error = await interrupts.wait_for(run)
                output.end(run)
                self.shell.user_ns[options.out] = run
                if error is not None:
                    break
            output.conclude()
        return CellEnd(error=error)

    def start(self, options: AgentOptions, prompt: str) -> None:
        """Start the run of an ``%%agent --background`` cell, and show it. Its output appears in that cell.

        Must be called on the running event loop.

        Raises:
            UsageError: The cell cannot be run as its options say; no run was started.
        """
        prompt = self._prompt(options, prompt)
        talk = self.background.talk(self.shell, self.conversations, options.conversation)
        # A new cell is not offered: it would be inserted after whichever cell runs when this run ends.
        output = output_for(self.shell, AnswerFormat(name=options.format))
        run = self._begin(options, talk, prompt=prompt, output=output, nested=False)
        output.reserve()
        self.background.follow(run, output, talk, own=options.conversation is None)
        # Displayed and not returned: IPython keeps what a cell returns for as long as the kernel lives.
        display(run)

    def _begin(self, options: AgentOptions, talk: Talk, *, prompt: str, output: CellOutput, nested: bool) -> Run:
        # Each run has its own: several may run at the same time, and each has an f1.
        questions = Questions()
        choice = self._choice(options)
        own_system = options.system or (None if talk.usual else talk.system)
        system = own_system or self.settings.value("system")
        agent = Agent(
            choice.name,
            tools=self._tools(options.tools),
            mode=options.mode,
            server=choice.server,
            base_url=choice.base_url,
            api=choice.api,
            api_key=None if options.replay else api_key_in(choice.api_key_env),
            approver=approver_for(self.shell, questions, nested=nested, background=options.background),
            system=system,
            max_turns=options.max_turns,
            budget=Budget(
                requests=options.max_requests,
                tokens=options.max_tokens,
                seconds=options.max_seconds,
                reply_tokens=options.max_reply_tokens,
            ),
            limit=options.limit,
            model_options=choice.options,
            headers=choice.sent_headers,
            calls_in_text=options.calls_in_text,
            hedge=options.hedge,
            remember=options.remember,
            record=options.record,
            replay=options.replay,
            speed=options.speed or "1",
        )
        asked = self.settings.asked(options)
        if asked is not None or self.model is None:
            self.settings.choose(asked or choice)
        talk.system, talk.usual = system, own_system is None
        output.begin(lambda kind, future: act(run, questions, kind, future), name=options.out)
        observers = [output.observe, self.latencies.observer()]
        run: Run = agent.start(prompt, conversation=talk.conversation, observers=observers, capture=output.tool_outputs)
        self.last = talk.run = self.shell.user_ns[options.out] = run
        return run

    def _prompt(self, options: AgentOptions, cell: str) -> str:
        plan = bool(cell.strip() or options.file) and resolve(self._choice(options).name) == REHEARSAL
        return written_prompt(options, cell, self.shell.ev, plan=plan)

    def _choice(self, options: AgentOptions) -> ModelChoice:
        choice = self.settings.reach(self.settings.asked(options))
        if choice is None and options.replay:
            choice = ModelChoice(name=recorded_model(options.replay))
        if choice is None:
            raise UsageError(
                "%%agent: no model is chosen; add --model NAME, or --model rehearsal, which needs no key and no server."
            )
        return choice

    async def _free(self, name: str) -> Talk:
        """Return the conversation of that name when no run uses it: after a run in the background, or a new one."""
        talk = self.conversations.open(name)
        if talk.run is not None and talk.run in self.background and talk.conversation.busy:
            print(mask(f"Waits for the run in the background that uses conversation {name}."))  # noqa: T201 - see `magics`
            await talk.run.ended()
        # An abandoned run uses its conversation until its tools return. A run in another subshell does, too.
        if self.conversations.open(name).conversation.busy:
            self.conversations.reset(name)
            print("An earlier run still uses the conversation; this cell starts a new one.")  # noqa: T201 - see `magics`
        return self.conversations.open(name)

    def _tools(self, names: tuple[str, ...] | None) -> tuple[Tool, ...]:
        if names is None:
            return self.registry.tools()
        known = self.registry.by_name()
        for name in names:
            if name not in known:
                raise UsageError(f"%%agent --tools: {no_such('tool', name, known)}")
        return tuple(known[name] for name in dict.fromkeys(names))


def act(run: Run, questions: Questions, kind: str, future: str | None) -> None:
    """Carry out what the user asked for in the timeline of a run; nothing if it is too late for that."""
    if kind == "cancel-run":
        run.cancel()
    elif future is not None and future in run.futures:
        if kind == "cancel":
            run.futures[future].cancel()
        elif kind in {"approve", "decline"}:
            questions.answer(future, yes=kind == "approve")


def _make(function: Any, options: Mapping[str, Any]) -> Tool:
    """Make a tool with the options of ``%%tool`` and those that the function carries from ``@tool``."""
    marked = marked_options(function)
    twice = sorted(marked.keys() & options.keys())
    if _EFFECTS & marked.keys() and _EFFECTS & options.keys():
        twice = ["what it reads and writes"]
    with about(function):
        if twice:
            problem = f"both @tool and %%tool declare {twice[0]}"
            raise ToolDefinitionError(function.__name__, problem, "keep one of the two")
        return make_tool(function, **marked, **options)
