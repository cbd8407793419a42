"""One turn: a request to the model and its whole streamed reply, with its calls started on the way where the mode says so."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncfc_jupyter.agent import wire
from asyncfc_jupyter.agent.conversation import Conversation
from asyncfc_jupyter.agent.modes import Mode
from asyncfc_jupyter.core.errors import CallError, UnknownTool
from asyncfc_jupyter.core.events import (
    CallClosed,
    CallOpened,
    FirstTokenArrived,
    TextStreamed,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId
from asyncfc_jupyter.models.accumulate import (
    CUT,
    Accumulator,
    CallClosedPart,
    CallMalformedPart,
    CallOpenedPart,
    Part,
    TextPart,
)
from asyncfc_jupyter.models.base import ChatModel, ChatRequest, Finish, Usage
from asyncfc_jupyter.runtime.driver import Entry
from asyncfc_jupyter.runtime.log import EventLog
from asyncfc_jupyter.runtime.tools import AWAIT_FUTURE, Tool


@dataclass(slots=True, kw_only=True)
class Awaited:
    """An ``await_future`` call of the model."""

    call: CallId
    #: What it asks for, or one line on what is wrong with it.
    request: wire.AwaitRequest | str


@dataclass(slots=True, kw_only=True)
class Made:
    """Any other call of the model, issued now or later as the mode says."""

    call: CallId
    name: str
    arguments: Mapping[str, Any]
    problem: CallError | None = None
    entry: Entry | None = None


@dataclass(slots=True, kw_only=True)
class Turn:
    """A reply as far as it has come."""

    number: int
    text: str = ""
    #: Whether any of it arrived.
    heard: bool = False
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
    ) -> None:
        self._model, self._mode, self._conversation, self._log = model, mode, conversation, log
        self._tools = tools
        definitions = [tool.definition(references=mode.futures) for tool in tools.values()]
        if mode.futures and definitions:
            definitions.append(wire.await_future_definition())
        self._definitions = definitions
        parts = [system, wire.INSTRUCTIONS if mode.futures and tools else None]
        self._system = "\n\n".join(part for part in parts if part)
        self.count = 0
        #: The reply that is being streamed, for the case that it is cut off.
        self.current: Turn | None = None

    async def ask(self) -> Turn:
        """Send the conversation and stream the reply to its end.

        Raises:
            ServerError: The server refused or broke off; `current` holds what had arrived by then.
        """
        self._conversation.check()
        self.count += 1
        turn = self.current = Turn(number=self.count)
        accumulator = Accumulator(f"call_{len(self._conversation.call_ids) + 1}_", self._conversation.call_ids)
        self._log.record(TurnStarted(turn=turn.number))
        reason = CUT
        try:
            await self._stream(turn, accumulator)
            reply = accumulator.finish()
            reason = turn.reason = reply.finish_reason
            for part in reply.parts:
                self._take(turn, part)
        finally:
            # Whatever cut the reply off, only the calls that were read may stand in the history.
            known = {call.call for call in turn.calls}
            replied = accumulator.finish() if reason == CUT else reply
            turn.text = replied.text
            turn.messages = [
                wire.call_message(c.call_id, c.name, c.arguments_json) for c in replied.calls if c.call_id in known
            ]
            self._log.record(TurnEnded(turn=turn.number, reason=reason, calls=len(turn.calls)))
        return turn

    async def _stream(self, turn: Turn, accumulator: Accumulator) -> None:
        system = [{"role": "system", "content": self._system}] if self._system else []
        request = ChatRequest(messages=[*system, *self._conversation.messages], tools=self._definitions)
        async with contextlib.aclosing(self._model.stream(request)) as deltas:
            async for delta in deltas:
                if not turn.heard and not isinstance(delta, Finish | Usage):
                    turn.heard = True
                    self._log.record(FirstTokenArrived(turn=turn.number))
                for part in accumulator.feed(delta):
                    self._take(turn, part)

    def _take(self, turn: Turn, part: Part) -> None:
        match part:
            case TextPart(text=text):
                self._log.record(TextStreamed(turn=turn.number, text=text))
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
        if name == AWAIT_FUTURE and self._mode.futures:
            turn.calls.append(Awaited(call=call, request=str(problem) if problem else wire.read_await(arguments)))
            return
        made = Made(call=call, name=name or "unnamed", arguments=arguments, problem=problem)
        turn.calls.append(made)
        if self._mode.starts_while_streaming:
            self.issue(turn, made)

    def issue(self, turn: Turn, made: Made) -> Entry:
        """Give a call its future, and start it as soon as it may."""
        tool = self._tools.get(made.name)
        problem = made.problem
        if tool is None and problem is None:
            problem = UnknownTool(made.name, known=tuple(self._tools))
        made.entry = self._conversation.driver.issue(
            call=made.call,
            turn=turn.number,
            name=made.name,
            tool=tool,
            arguments=made.arguments,
            references=self._mode.futures,
            problem=problem,
        )
        return made.entry
