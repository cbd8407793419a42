"""One turn: a request to the model and its whole streamed reply, with its calls started on the way where the mode says so."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncfc_jupyter.agent import tool_messages
from asyncfc_jupyter.agent.conversation import Conversation
from asyncfc_jupyter.agent.modes import Mode
from asyncfc_jupyter.core import protocol
from asyncfc_jupyter.core.events import (
    CallClosed,
    CallOpened,
    FirstTokenArrived,
    ReasoningStreamed,
    RequestRetried,
    TextStreamed,
    TokensCounted,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId
from asyncfc_jupyter.errors import CallError, UnknownTool
from asyncfc_jupyter.models.accumulator import (
    CUT,
    Accumulator,
    CallClosedPart,
    CallMalformedPart,
    CallOpenedPart,
    Part,
    ReasoningPart,
    TextPart,
)
from asyncfc_jupyter.models.base import ChatModel, ChatRequest, Finish, Retrying, Usage
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.runtime.event_log import EventLog
from asyncfc_jupyter.tools.definition import Tool


@dataclass(slots=True, kw_only=True)
class Awaited:
    """An ``await_future`` call of the model."""

    call: CallId
    #: What it asks for, or one line on what is wrong with it.
    request: tool_messages.AwaitRequest | str


@dataclass(slots=True, kw_only=True)
class Made:
    """Any other call of the model, issued now or later as the mode says."""

    call: CallId
    name: str
    arguments: Mapping[str, Any]
    problem: CallError | None = None
    entry: ToolCall | None = None


_NOTHING_ASKED = ChatRequest(messages=())


@dataclass(slots=True, kw_only=True)
class Turn:
    """A reply as far as it has come."""

    number: int
    #: What it answers.
    request: ChatRequest = _NOTHING_ASKED
    text: str = ""
    #: Whether any of it arrived.
    heard: bool = False
    #: Whether its request was made more than once.
    retried: bool = False
    #: When its request went out, its first piece arrived and its last did, in seconds of the run.
    asked_s: float = 0.0
    heard_s: float = 0.0
    ended_s: float = 0.0
    #: Tokens in and out, as the server counts them; None when it does not.
    tokens: int | None = None
    #: Why it ended, in the server's own word.
    reason: str = CUT
    #: In the order in which the model wrote them.
    calls: list[Awaited | Made] = field(default_factory=list)
    #: The calls as they go into the assistant message.
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def awaits(self) -> list[Awaited]:
        """The calls that ask to wait."""
        return [call for call in self.calls if isinstance(call, Awaited)]

    @property
    def made(self) -> list[Made]:
        """The calls of tools."""
        return [call for call in self.calls if isinstance(call, Made)]


def opening(
    tools: Iterable[Tool], *, mode: Mode, system: str | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what stands before a conversation in each request: the system message, if there is one, and the tools."""
    definitions = [tool.definition(references=mode.futures) for tool in tools]
    if mode.futures and definitions:
        definitions.append(protocol.await_future_definition())
    text = "\n\n".join(filter(None, [system, protocol.INSTRUCTIONS if mode.futures and definitions else None]))
    return [{"role": "system", "content": text}] if text else [], definitions


class Turns:
    """Asks a model for one reply after another."""

    def __init__(
        self,
        *,
        model: ChatModel,
        tools: Mapping[str, Tool],
        mode: Mode,
        system: str | None,
        conversation: Conversation,
        log: EventLog,
        admit_again: Callable[[], None] = lambda: None,
    ) -> None:
        #: Called before a request that failed is made again; raises when it may not be.
        self._admit_again = admit_again
        self.model, self._mode, self._conversation, self._log = model, mode, conversation, log
        self._tools = tools
        self._system, self._definitions = opening(tools.values(), mode=mode, system=system)
        self.count = 0
        #: The latest request that was made.
        self.request: ChatRequest | None = None
        #: The reply that is being streamed, for the case that it is cut off.
        self.current: Turn | None = None

    async def ask(self) -> Turn:
        """Send the conversation and stream the reply to its end.

        Raises:
            ServerError: The server refused or broke off; `current` holds what had arrived by then.
            BudgetSpent: It would have to be asked again, and may not be.
        """
        self._conversation.make_valid()
        self.count += 1
        turn = self.current = Turn(number=self.count, asked_s=self._log.now_s())
        accumulator = Accumulator(f"call_{len(self._conversation.call_ids) + 1}_", self._conversation.call_ids)
        self._conversation.driver.report(TurnStarted(turn=turn.number))
        reason = CUT
        try:
            await self._stream(turn, accumulator)
            reply = accumulator.finish()
            reason = turn.reason = reply.finish_reason
            for part in reply.parts:
                self._take(turn, part)
        finally:
            turn.ended_s = self._log.now_s()
            # Whatever cut the reply off, only the calls that were read may stand in the history.
            known = {call.call for call in turn.calls}
            replied = accumulator.finish() if reason == CUT else reply
            turn.text = replied.text
            turn.messages = [
                tool_messages.call_message(c.call_id, c.name, c.arguments_json)
                for c in replied.calls
                if c.call_id in known
            ]
            self._conversation.keep(replied.replay, self.model.name)
            if usage := replied.usage:
                turn.tokens = usage.input_tokens + usage.output_tokens
                self._log.record(TokensCounted(turn=turn.number, **dataclasses.asdict(usage)))
            self._conversation.driver.report(TurnEnded(turn=turn.number, reason=reason, calls=len(turn.calls)))
        return turn

    async def _stream(self, turn: Turn, accumulator: Accumulator) -> None:
        request = ChatRequest(messages=[*self._system, *self._conversation.messages], tools=self._definitions)
        self.request = turn.request = request
        async with contextlib.aclosing(self.model.stream(request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, Retrying):
                    turn.retried = True
                    self._log.record(RequestRetried(turn=turn.number, **dataclasses.asdict(delta)))
                    self._admit_again()
                    continue
                if not turn.heard and not isinstance(delta, Finish | Usage):
                    turn.heard, turn.heard_s = True, self._log.now_s()
                    self._log.record(FirstTokenArrived(turn=turn.number))
                for part in accumulator.feed(delta):
                    self._take(turn, part)

    def _take(self, turn: Turn, part: Part) -> None:
        match part:
            case TextPart(text=text):
                self._log.record(TextStreamed(turn=turn.number, text=text))
            case ReasoningPart(text=text):
                self._log.record(ReasoningStreamed(turn=turn.number, text=text))
            case CallOpenedPart(call_id=call, name=name):
                self._log.record(CallOpened(turn=turn.number, call=CallId(call), tool=name))
            case CallClosedPart(call_id=call, name=name, arguments=arguments):
                self._log.record(CallClosed(turn=turn.number, call=CallId(call)))
                self._add(turn, CallId(call), name, arguments, None)
            case CallMalformedPart(call_id=call, name=name, problem=problem):
                self._log.record(CallClosed(turn=turn.number, call=CallId(call)))
                error = CallError(
                    f"the arguments of {name or 'this call'} cannot be read: {problem}; write the call again."
                )
                self._add(turn, CallId(call), name, {}, error)

    def _add(
        self, turn: Turn, call: CallId, name: str, arguments: Mapping[str, Any], problem: CallError | None
    ) -> None:
        if name == protocol.AWAIT_FUTURE and self._mode.futures:
            turn.calls.append(
                Awaited(call=call, request=str(problem) if problem else tool_messages.read_await(arguments))
            )
            return
        made = Made(call=call, name=name or "unnamed", arguments=arguments, problem=problem)
        turn.calls.append(made)
        if self._mode.starts_while_streaming:
            self.issue(turn, made)

    def issue(self, turn: Turn, made: Made) -> ToolCall:
        """Give a call its future, and start it as soon as it may."""
        tool = self._tools.get(made.name)
        problem = made.problem
        if tool is None and problem is None:
            problem = UnknownTool(made.name, known=tuple(self._tools))
        made.entry = self._conversation.driver.issue(
            call_id=made.call,
            turn=turn.number,
            name=made.name,
            tool=tool,
            arguments=made.arguments,
            references=self._mode.futures,
            problem=problem,
        )
        return made.entry
