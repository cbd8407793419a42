"""The agent: a model, its tools and a mode, ready to run prompts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from asyncfc_jupyter.agent.budget import Budget, Meter
from asyncfc_jupyter.agent.computing import computing_notes
from asyncfc_jupyter.agent.conversation import Conversation
from asyncfc_jupyter.agent.hedging import resolved
from asyncfc_jupyter.agent.loop import Loop
from asyncfc_jupyter.agent.memory import Memory, memory_of
from asyncfc_jupyter.agent.run import Ended, Run
from asyncfc_jupyter.agent.run_context import RunContext
from asyncfc_jupyter.core.events import RunEnded, RunStarted
from asyncfc_jupyter.defaults import DEFAULT_LIMIT, DEFAULT_MAX_TURNS
from asyncfc_jupyter.errors import AgentInterrupted, ModelError, RunStopped, UsageError
from asyncfc_jupyter.foreign_code import delivered_by_signal, text_of, traceback_of
from asyncfc_jupyter.models.base import ChatModel
from asyncfc_jupyter.models.catalog import Taping, Where, open_model
from asyncfc_jupyter.models.secret import Secret
from asyncfc_jupyter.modes import parse_deliver, parse_hedge, parse_mode
from asyncfc_jupyter.runtime.call import APPROVAL_TIMEOUT_S, Approver, Lease
from asyncfc_jupyter.runtime.driver import Driver
from asyncfc_jupyter.runtime.event_log import EventLog, Observer
from asyncfc_jupyter.runtime.exception_text import show_exception
from asyncfc_jupyter.runtime.printed import Capture
from asyncfc_jupyter.tools.definition import Tool, as_tools


class Agent:
    """Runs prompts on a model that may call tools.

    Args:
        model: A model's name at its server, ``"rehearsal"`` for the offline one, or any `ChatModel`. A `ChatModel` is used as
            it is: ``server``, ``base_url``, ``api``, ``api_key``, ``headers`` and ``model_options`` are for names.
        tools: Functions, marked with ``@tool`` or plain, or `Tool` objects.
        mode: ``async`` (futures), or for comparison ``sequential``, ``batch`` or ``eager``.
        server: A server by name, such as ``ollama``; `models.profiles` lists them.
        base_url: Address of an OpenAI-compatible server, such as ``http://127.0.0.1:8080/v1``.
        api: ``chat`` (Chat Completions), ``responses``, ``native`` (the latter with asynchronous tools), or ``messages``
            (Anthropic's).
        headers: Extra headers of each request to this server, such as ``{"X-Title": "my notebook"}``. A key in one stands in an
            environment variable: ``{"x-api-key": "env:MY_KEY"}``.
        api_key: The server's key; by default from the environment, such as ``OPENAI_API_KEY``, the keyring or a file.
        system: Text of the system message.
        max_turns: Turns after which a run is stopped.
        budget: Further limits of a run: requests, tokens, seconds, tokens of one reply.
        limit: Calls of a conversation that may run at the same time.
        deliver: How settled results are delivered in the async mode: ``tool``, with the next tool message, or ``user``, in a
            message of their own.
        approver: Called before each call of a tool marked ``approve``, with an `Approval`; only ``True`` approves. A plain
            function runs in a thread. Without an approver such calls are skipped.
        approval_timeout_s: Seconds after which an unanswered approval counts as a no.
        calls_in_text: Whether calls that the model writes in its text are read and made: for servers that do not parse them.
        hedge: What is done with a request that holds placeholders when their values come before its reply shows a tool call:
            ``off``, ``retract`` (abandon it, ask again with the values), ``race`` (ask again meanwhile, use the first of both
            that opens a tool call), or ``auto``.
        remember: For how long it counts what tools took and what the model did with futures: ``disk``, also in a file in
            the user's cache; ``kernel``, in this process; ``off``, in the conversation; or a `Memory` of the agent's own.
        model_options: Passed to the model as they are; for the rehearsal model ``ttft_ms`` and ``tokens_per_s``.
        record: A file to write requests and replies to: a cassette.
        replay: A cassette to replay; needs no server and no key.
        speed: How many times as fast as recorded a cassette is replayed, or ``"instant"``.

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
        server: str | None = None,
        base_url: str | None = None,
        api: str | None = None,
        api_key: str | Secret | None = None,
        headers: Mapping[str, str] | None = None,
        system: str | None = None,
        max_turns: int = DEFAULT_MAX_TURNS,
        budget: Budget | None = None,
        limit: int = DEFAULT_LIMIT,
        deliver: str = "tool",
        approver: Approver | None = None,
        approval_timeout_s: float = APPROVAL_TIMEOUT_S,
        calls_in_text: bool = False,
        hedge: str = "auto",
        remember: str | Memory = "disk",
        model_options: Mapping[str, Any] | None = None,
        record: str | Path | None = None,
        replay: str | Path | None = None,
        speed: float | str = 1.0,
    ) -> None:
        if max_turns < 1:
            raise UsageError(f"max_turns is {max_turns}; a run needs at least 1.")
        if limit < 1:
            raise UsageError(f"limit is {limit}; give a number of calls of at least 1.")
        if not isinstance(tools, Iterable):
            raise UsageError(f"tools is a {type(tools).__name__}, not a list; write tools=[search_flights].")
        self.mode, self.deliver, self.hedge = parse_mode(mode), parse_deliver(deliver), parse_hedge(hedge)
        self.memory = memory_of(remember)
        self.tools = as_tools(tools)
        self.model = open_model(
            model,
            where=Where(server=server, base_url=base_url, api=api, api_key=api_key, headers=headers),
            options=dict(model_options or {}),
            taping=Taping(record=record, replay=replay, speed=speed),
        )
        self.system, self.max_turns, self.budget, self.limit = system, max_turns, budget or Budget(), limit
        self.calls_in_text, self.server = calls_in_text, server
        self.approver, self.approval_timeout_s = approver, approval_timeout_s

    def start(
        self,
        prompt: str,
        *,
        conversation: Conversation | None = None,
        observers: Sequence[Observer] = (),
        capture: Capture | None = None,
    ) -> Run:
        """Start a run on the running event loop and return it without waiting.

        Args:
            prompt: The user's message; for the rehearsal model, a plan.
            conversation: The conversation to continue; a new one by default.
            observers: Called with each event as it happens, on the loop. An observer that raises is dropped; the run continues.
            capture: Called with the names of a future and its tool when the call starts; the `Sink` that it returns takes what
                the function prints, instead of ``sys.stdout`` and ``sys.stderr``. Without it, prints go to those streams.

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
        conversation.driver.scheduler.limit_run(self.limit)
        loop = asyncio.get_running_loop()
        log = EventLog(loop.time, observers)
        run = Run(prompt=prompt, model=self.model.name, mode=self.mode, conversation=conversation, log=log)
        conversation.busy = True

        def end_unbegun(_task: asyncio.Task[None]) -> None:
            if run.outcome == "running":  # cancelled before its first step, so that `_drive` never ran
                log.record(RunStarted(prompt=run.prompt, model=run.model, mode=run.mode))
                run.conversation.busy, run.error = False, interrupted(run.conversation.driver)
                _end(run, log, "interrupted")

        run._running = loop.create_task(self._drive(run, log, capture), name="asyncfc run")  # noqa: SLF001 - a run is ours
        run._running.add_done_callback(end_unbegun)  # noqa: SLF001
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

    async def _drive(self, run: Run, log: EventLog, capture: Capture | None) -> None:
        conversation, driver = run.conversation, run.conversation.driver
        log.record(RunStarted(prompt=run.prompt, model=run.model, mode=run.mode))
        outcome: Ended = "answered"
        try:
            if self.memory is not None:
                await self.memory.begin_run()
            conversation.append_prompt(run.prompt)
            timeout_s = self.approval_timeout_s
            driver.lend(
                Lease(
                    log=log,
                    approver=self.approver,
                    approval_timeout_s=timeout_s,
                    capture=capture,
                    durations=(self.memory or conversation).durations,
                )
            )
            context = RunContext(
                model=self.model,
                tools=self.tools,
                mode=self.mode,
                deliver=self.deliver,
                system=self.system,
                calls_in_text=self.calls_in_text,
                hedge=await resolved(self.hedge, self.mode, self.model),
                memory=self.memory,
                server=self.server,
                run=run,
                log=log,
            )
            loop = Loop(context, Meter(self.budget, max_turns=self.max_turns))
            run.answer = await loop.run()
            blocking = (
                f"{tool} kept the event loop, and decoding with it, waiting for {seconds:.1f} s, which the figures count "
                "twice: write it as a plain def, which runs in a thread, or await what takes long"
                for tool, seconds in driver.blocked_s.items()
            )
            run.note = "; ".join(filter(None, (loop.note, *blocking, *computing_notes(log.events))))
        except BaseException as error:  # whatever ended the run is raised by `Run.wait`
            conversation.busy = False
            interrupt = delivered_by_signal(error, traceback_of(error))
            task = asyncio.current_task()
            if interrupt or (
                issubclass(type(error), asyncio.CancelledError) and task is not None and task.cancelling()
            ):
                outcome, run.error = "interrupted", interrupted(driver)
            elif issubclass(type(error), Exception):
                outcome, run.error = ("stopped" if issubclass(type(error), RunStopped) else "failed"), error
            else:  # of a model's own code: raised as it is, it would end the loop of all who wait for the run
                outcome, run.error = "failed", ModelError(f"the model's own code raised {show_exception(error)}")
            if interrupt:
                _end(run, log, outcome)
                raise
        conversation.busy = False
        _end(run, log, outcome)
        if self.memory is not None:
            self.memory.end_run()


def _end(run: Run, log: EventLog, outcome: Ended) -> None:
    log.record(RunEnded(outcome=outcome, detail=run.note if run.error is None else text_of(run.error)))
    run.outcome = outcome
    run.forget_observers()
    run.conversation.driver.take_back()


def interrupted(driver: Driver) -> AgentInterrupted:
    """Return the error of a run that was cancelled; it names the calls that still run."""
    in_threads, on_loop = list[str](), list[str]()
    for call in driver.lingering():
        if call.function is not None and call.function.run_in == "process":
            continue  # its process is about to end
        stoppable = call.function is not None and call.function.stoppable
        (on_loop if stoppable else in_threads).append(f"{call.name} ({call.tool})")
    rest = ""
    if in_threads:
        rest += f"; still runs in its thread, which cannot be stopped; the result will be discarded: {', '.join(in_threads)}"
    if on_loop:
        rest += f"; ignores being cancelled; the result will be discarded: {', '.join(on_loop)}"
    return AgentInterrupted(f"the run was interrupted; finished results are kept in its futures{rest}.")
