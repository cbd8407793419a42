"""One kernel's session: its tools, the model in use, the conversation and the last run."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
from dataclasses import dataclass
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from asyncfc_jupyter.agent import Agent, Conversation, Run
from asyncfc_jupyter.core.errors import ToolDefinitionError, UsageError
from asyncfc_jupyter.jupyter import commands
from asyncfc_jupyter.jupyter.interrupt import Interrupts, contain
from asyncfc_jupyter.jupyter.options import AgentOptions, ModelChoice, ToolOptions, nearest
from asyncfc_jupyter.jupyter.output import output_for
from asyncfc_jupyter.jupyter.toolcell import run_body
from asyncfc_jupyter.jupyter.transformer import RunningCells
from asyncfc_jupyter.runtime.tools import Tool, ToolRegistry, as_tool, is_declared, make_tool


@dataclass(frozen=True, slots=True, kw_only=True)
class CellEnd:
    """How an ``%%agent`` cell ended. A value, since a ``KeyboardInterrupt`` must not pass through a task."""

    error: BaseException | None = None

    def conclude(self) -> None:
        """Raise the error, if there is one, in the cell's own frame."""
        if self.error is not None:
            # IPython shows every frame of an error that has an exception group behind it.
            self.error.__context__ = None
            raise self.error


class Session:
    """What the magics work on. Everything in it goes on from cell to cell."""

    def __init__(self, shell: InteractiveShell, cells: RunningCells) -> None:
        self.shell = shell
        self.registry = ToolRegistry()
        self.conversation = Conversation()
        #: The model and system text of the last cell, which the next one keeps unless it names others.
        self.model: ModelChoice | None = None
        self.system: str | None = None
        self.last: Run | None = None
        self._cells = cells

    def define_tools(self, options: ToolOptions, body: str) -> str:
        """Run a ``%%tool`` cell and register the functions it defines, in place of those it defined before.

        Returns:
            What was registered, for the person.

        Raises:
            ToolDefinitionError: A function cannot be a tool; nothing is registered.
            UsageError: The body is not one that can be run here.
        """
        functions = run_body(self.shell, body)
        tools = tuple(contain(_make(function, options)) for function in functions.values())
        self.registry.replace(self._cell_id(functions), tools)
        none = "No tool: the cell defines no function at its top level whose name does not start with an underscore."
        return "\n".join(map(commands.show_tool, tools)) or none

    async def ask(self, options: AgentOptions, prompt: str) -> CellEnd:
        """Run one ``%%agent`` cell to its end, and show it.

        Raises:
            UsageError: The cell asks for something that cannot be done; no run was started.
        """
        if not prompt.strip():
            raise UsageError("%%agent: the cell is empty; write below the %%agent line what the model is to do.")
        interrupts = Interrupts()
        with interrupts.handled():
            agent, conversation = self._agent(options), self._free_conversation()
            output = output_for(self.shell)
            output.begin()
            run = agent.start(prompt, conversation=conversation, observers=[output.observe])
            self.last = self.shell.user_ns[options.out] = run
            error = await _ended(run, interrupts)
            output.end(run)
        return CellEnd(error=error)

    def command(self, line: str) -> Any:
        """Return what a line such as ``%agent tools`` asks for: a text to print, or something to display.

        Raises:
            UsageError: There is no such command, or no such run.
        """
        match line.split():
            case ["timeline", *names]:
                return self._run(names).timeline()
            case ["tools"]:
                return commands.show_tools(self.registry.tools())
            case ["reset"]:
                self.conversation, self.system = Conversation(), None
                return "A new conversation begins, without a system text; tools and model stay."
            case [] | ["status"]:
                return commands.status(
                    model=self.model,
                    system=self.system,
                    tools=self.registry.tools(),
                    conversation=self.conversation,
                    last=self.last,
                )
        raise commands.unknown(line.strip())

    def _agent(self, options: AgentOptions) -> Agent:
        choice = options.model or self.model
        if choice is None:
            raise UsageError(
                "%%agent: no model is chosen; add --model NAME, or --model rehearsal, which needs no key and no server."
            )
        system = options.system or self.system
        agent = Agent(
            choice.name,
            tools=self._tools(options.tools),
            mode=options.mode,
            base_url=choice.base_url,
            api_key=_api_key(choice.api_key_env),
            system=system,
            max_turns=options.max_turns,
            model_options=dict(choice.options),
        )
        self.model, self.system = choice, system
        return agent

    def _free_conversation(self) -> Conversation:
        # A run that was given up holds its conversation until its tools let go, and so does one in another subshell.
        if self.conversation.busy:
            self.conversation = Conversation()
            print("An earlier run still holds the conversation; a new one begins.")  # noqa: T201 - see `magics`
        return self.conversation

    def _tools(self, names: tuple[str, ...] | None) -> tuple[Tool, ...]:
        if names is None:
            return self.registry.tools()
        known = self.registry.by_name()
        for name in names:
            if name not in known:
                listed = nearest(name, tuple(known)) or f"; the tools are: {', '.join(known) or 'none yet'}."
                raise UsageError(f"%%agent --tools: there is no tool {name!r}{listed}")
        return tuple(known[name] for name in dict.fromkeys(names))

    def _run(self, names: list[str]) -> Run:
        if len(names) > 1:
            raise UsageError(f"%agent timeline shows one run; it was given {len(names)} names.")
        if names:
            return commands.run_named(names[0], self.shell.user_ns.get(names[0]))
        if self.last is None:
            raise UsageError("%agent timeline: there is no run yet; ask the model in a cell that starts with %%agent.")
        return self.last

    def _cell_id(self, functions: dict[str, Any]) -> str:
        """Name the cell that is running, to recognise it when it is run again; without an id, by what it defines."""
        cell = self._cells.outermost
        return str(cell.cell_id) if cell is not None and cell.cell_id else f"defines {', '.join(functions)}"


async def _ended(run: Run, interrupts: Interrupts) -> BaseException | None:
    """Wait for the run, or for the person to give it up, and return what to raise."""
    interrupts.cancel = run.cancel
    if interrupts.presses:
        run.cancel()
    waiting = asyncio.ensure_future(run.wait())
    given_up = asyncio.ensure_future(interrupts.given_up.wait())
    try:
        await asyncio.wait({waiting, given_up}, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        run.cancel()
        raise
    finally:
        given_up.cancel()
    if not interrupts.given_up.is_set():
        return waiting.exception()
    # However the run ends now, nobody asks any more; asyncio would complain about an error that nobody looks at.
    waiting.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return _keyboard_interrupt()


def _keyboard_interrupt() -> KeyboardInterrupt:
    message = "the run was given up; what its tools still return is discarded."
    error = KeyboardInterrupt(message)
    error._render_traceback_ = lambda: [f"KeyboardInterrupt: {message}"]  # type: ignore[attr-defined]
    return error


def _make(function: Any, options: ToolOptions) -> Tool:
    if (options.reads, options.writes, options.pure) == (None, None, False):
        marked = as_tool(function)  # it may carry the declaration of @tool
        given = options.timeout_s != ToolOptions().timeout_s
        return dataclasses.replace(marked, timeout_s=options.timeout_s) if given else marked
    if is_declared(function):
        raise ToolDefinitionError(
            function.__name__, "both @tool and %%tool declare what it reads and writes", "keep one of the two"
        )
    return make_tool(
        function, reads=options.reads, writes=options.writes, pure=options.pure, timeout_s=options.timeout_s
    )


def _api_key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable)
    if key:
        return key
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable):  # it may be the key itself, and is not repeated
        raise UsageError(
            "--api-key-env takes the name of an environment variable, such as MY_KEY, and what it was given is none; put "
            "the key into a variable, and keep it out of the notebook."
        )
    raise UsageError(
        f"--api-key-env: the environment variable {variable} is not set in this kernel; set it before the kernel "
        f"starts or in a cell (os.environ[{variable!r}] = ...), or use --model rehearsal, which needs no key."
    )
