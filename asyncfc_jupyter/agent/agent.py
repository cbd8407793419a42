"""The agent: a model, its tools and a mode, ready to be run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from asyncfc_jupyter.agent.conversation import Conversation
from asyncfc_jupyter.agent.loop import Loop
from asyncfc_jupyter.agent.modes import parse_mode
from asyncfc_jupyter.agent.run import Ended, Run
from asyncfc_jupyter.agent.turn import Turns
from asyncfc_jupyter.core.errors import AgentInterrupted, RunStopped, UsageError
from asyncfc_jupyter.core.events import CallCancelled, CallIssued, RunEnded, RunStarted
from asyncfc_jupyter.models.base import ChatModel
from asyncfc_jupyter.models.catalog import open_model
from asyncfc_jupyter.runtime.log import EventLog, Observer
from asyncfc_jupyter.runtime.tools import Tool, as_tools

#: Far above what any sane plan needs, low enough to end a model that goes in circles.
DEFAULT_MAX_TURNS = 50


class Agent:
    """Runs prompts on a model that may call tools.

    Args:
        model: A model's name at its server, ``"rehearsal"`` for the offline one, or any `ChatModel`.
        tools: Functions, marked with ``@tool`` or plain, or `Tool` objects.
        mode: ``async`` (futures), or for comparison ``sequential``, ``batch`` or ``eager``.
        base_url: Address of an OpenAI-compatible server, such as ``http://127.0.0.1:8080/v1``.
        api_key: The server's key; by default the environment variable ``OPENAI_API_KEY``.
        system: Text of the system message.
        max_turns: Turns after which a run is stopped.
        model_options: Passed to the model as they are; for the rehearsal model ``ttft_ms`` and ``tokens_per_s``.

    Raises:
        UsageError: Model, key or mode are missing or unknown.
        ToolDefinitionError: A function cannot be a tool.
    """

    def __init__(
        self,
        model: str | ChatModel,
        *,
        tools: Iterable[Callable[..., Any] | Tool] = (),
        mode: str = "async",
        base_url: str | None = None,
        api_key: str | None = None,
        system: str | None = None,
        max_turns: int = DEFAULT_MAX_TURNS,
        model_options: Mapping[str, Any] | None = None,
    ) -> None:
        if max_turns < 1:
            raise UsageError(f"max_turns is {max_turns}; a run needs at least 1.")
        if not isinstance(tools, Iterable):
            raise UsageError(f"tools is a {type(tools).__name__}, not a list; write tools=[search_flights].")
        options = dict(model_options or {})
        self.mode = parse_mode(mode)
        self.tools = as_tools(tools)
        self.model = (
            open_model(model, base_url=base_url, api_key=api_key, options=options) if isinstance(model, str) else model
        )
        self.system, self.max_turns = system, max_turns

    def start(
        self, prompt: str, *, conversation: Conversation | None = None, observers: Sequence[Observer] = ()
    ) -> Run:
        """Begin a run on the running event loop and return it at once.

        Args:
            prompt: What the person says; for the rehearsal model, a plan.
            conversation: The conversation to go on; a new one by default.
            observers: Called with each event as it happens, on the loop. One that raises is dropped; the run goes on.

        Raises:
            UsageError: The prompt is empty, or another run uses the conversation.
        """
        if not prompt.strip():
            raise UsageError("the prompt is empty; write what the model is to do.")
        conversation = conversation if conversation is not None else Conversation()
        if conversation.busy:
            raise UsageError(
                "another run is using this conversation; wait for it, cancel it, or use another conversation."
            )
        loop = asyncio.get_running_loop()
        log = EventLog(loop.time, observers)
        run = Run(prompt=prompt, model=self.model.name, mode=self.mode, conversation=conversation, log=log)
        conversation.busy = True
        run._running = loop.create_task(self._drive(run, log), name="asyncfc run")  # noqa: SLF001 - a run is ours
        run._running.add_done_callback(lambda _: _end_unbegun(run, log))  # noqa: SLF001
        return run

    async def run(
        self, prompt: str, *, conversation: Conversation | None = None, observers: Sequence[Observer] = ()
    ) -> Run:
        """Run a prompt to its answer: `start`, then `Run.wait`. Cancelling this cancels the run."""
        run = self.start(prompt, conversation=conversation, observers=observers)
        try:
            return await run.wait()
        except asyncio.CancelledError:
            run.cancel()
            await run.ended()
            raise

    async def _drive(self, run: Run, log: EventLog) -> None:
        conversation = run.conversation
        log.record(RunStarted(prompt=run.prompt, model=run.model, mode=run.mode))
        conversation.say(run.prompt)
        outcome: Ended = "answered"
        try:
            loop = self._loop(conversation, log)
            run.answer = await _in_group(loop, conversation, log)
            run.note = "; ".join(filter(None, (loop.note, *_blocking(conversation))))
        except asyncio.CancelledError:
            outcome, run.error = "interrupted", AgentInterrupted(_interrupted(log))
        except Exception as error:  # noqa: BLE001 - whatever ended the run is raised to whoever waits for it
            outcome, run.error = ("stopped" if isinstance(error, RunStopped) else "failed"), error
        finally:
            conversation.busy = False
        log.record(RunEnded(outcome=outcome, detail=str(run.error or run.note)))
        run.outcome = outcome

    def _loop(self, conversation: Conversation, log: EventLog) -> Loop:
        turns = Turns(
            model=self.model,
            tools=self.tools,
            mode=self.mode,
            system=self.system,
            conversation=conversation,
            log=log,
        )
        return Loop(turns=turns, conversation=conversation, mode=self.mode, log=log, max_turns=self.max_turns)


def _end_unbegun(run: Run, log: EventLog) -> None:
    """End a run that was cancelled before its first step, which asyncio never lets it take."""
    if run.outcome == "running":
        run.conversation.busy = False
        run.error = AgentInterrupted(_interrupted(log))
        log.record(RunStarted(prompt=run.prompt, model=run.model, mode=run.mode))
        log.record(RunEnded(outcome="interrupted", detail=str(run.error)))
        run.outcome = "interrupted"


async def _in_group(loop: Loop, conversation: Conversation, log: EventLog) -> str:
    # Tools run as children of the run: when it ends, however it ends, none is left behind on the loop.
    failure: Exception | None = None
    answer = ""
    try:
        async with asyncio.TaskGroup() as group:
            conversation.driver.lend(log, group)
            try:
                answer = await loop.answer()
            except asyncio.CancelledError:
                loop.give_up()
                raise
            except Exception as error:  # noqa: BLE001 - raised again outside, not wrapped in a group
                failure = error
                loop.give_up(refused=not isinstance(error, RunStopped))
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    if failure is not None:
        raise failure
    return answer


def _blocking(conversation: Conversation) -> Iterator[str]:
    for tool, seconds in conversation.driver.blocked_s.items():
        yield (
            f"{tool} kept the event loop, and decoding with it, waiting for {seconds:.1f} s, which the figures count twice: "
            "write it as a plain def, which runs in a thread, or await what takes long"
        )


def _interrupted(log: EventLog) -> str:
    tools = {s.event.future: s.event.tool for s in log.events if isinstance(s.event, CallIssued)}
    threads = [s.event.future for s in log.events if isinstance(s.event, CallCancelled) and s.event.still_running]
    named = ", ".join(f"{future} ({tools[future]})" for future in threads)
    rest = (
        f"; still runs in its thread, which cannot be stopped; the result will be discarded: {named}" if threads else ""
    )
    return f"the run was interrupted; finished results are kept in its futures{rest}."
