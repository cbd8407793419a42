"""One turn: a request to the model and its whole streamed reply. Where the mode says so, calls start while it streams."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncfc_jupyter.agent import tool_messages
from asyncfc_jupyter.agent.reply_limit import ReplyLength, ReplyLimit
from asyncfc_jupyter.agent.run_context import RunContext
from asyncfc_jupyter.core import protocol
from asyncfc_jupyter.core.events import (
    CallClosed,
    CallOpened,
    FirstTokenArrived,
    ReasoningStreamed,
    RequestRetracted,
    RequestRetried,
    ResultShown,
    TextStreamed,
    TextWithdrawn,
    TokensCounted,
    TurnEnded,
    TurnStarted,
)
from asyncfc_jupyter.core.futures import CallId
from asyncfc_jupyter.errors import CallError, ServerError, UnknownTool
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.models.accumulator import (
    CUT,
    Accumulator,
    CallClosedPart,
    CallMalformedPart,
    CallOpenedPart,
    Part,
    ReasoningPart,
    TextPart,
    TextWithdrawnPart,
)
from asyncfc_jupyter.models.base import ChatRequest, Finish, Retrying, Usage
from asyncfc_jupyter.models.in_text.calls import Offered
from asyncfc_jupyter.models.in_text.reply_reader import ReplyReader
from asyncfc_jupyter.modes import Mode
from asyncfc_jupyter.runtime.call import ToolCall
from asyncfc_jupyter.text import shorten
from asyncfc_jupyter.tools.definition import Tool


@dataclass(slots=True, kw_only=True)
class AwaitCall:
    """An ``await_future`` call of the model."""

    call_id: CallId
    #: The parsed arguments, or one line that says why they are invalid.
    request: tool_messages.AwaitRequest | str


@dataclass(slots=True, kw_only=True)
class RequestedCall:
    """Any other tool call of the model."""

    call_id: CallId
    name: str
    arguments: Mapping[str, Any]
    #: The id that the server gave it, which another call of the conversation may have, too.
    server_id: str = ""
    #: Why it cannot run, if the model wrote it wrongly.
    problem: CallError | None = None
    #: The call with its future; None until the mode lets it be issued.
    issued: ToolCall | None = None


_NO_REQUEST = ChatRequest(messages=())
#: Reasons that say nothing of a reply without a text, and characters that are shown of any other.
_ENDS = frozenset({"stop", "end_turn", "tool_calls", CUT})
_REASON_CHARS = 100
#: Reasons for the end of the last reply with which its text is not the whole answer.
_NOTES = {
    "length": "the server cut the answer off at its limit of tokens",
    "content_filter": "the server's content filter cut the answer off",
}


@dataclass(slots=True, kw_only=True)
class Turn:
    """A request and the part of its reply that has arrived."""

    number: int
    request: ChatRequest = _NO_REQUEST
    text: str = ""
    #: Whether any part of the reply has arrived.
    arrived: bool = False
    #: Whether its request was retried.
    retried: bool = False
    #: Whether it holds reasoning.
    has_reasoned: bool = False
    #: When the request went out, the first piece arrived and the reply ended, in seconds of the run.
    sent_s: float = 0.0
    first_token_s: float = 0.0
    ended_s: float = 0.0
    #: The limit of its reply, and the length of what has arrived.
    limit: ReplyLimit | None = None
    length: ReplyLength = field(default_factory=ReplyLength)
    #: Tokens in and out, as the server counts them; None when it does not.
    usage: Usage | None = None
    #: Why it ended, in the server's own word.
    reason: str = CUT
    #: In the order in which the model wrote them.
    calls: list[AwaitCall | RequestedCall] = field(default_factory=list)
    #: The calls as they go into the assistant message.
    messages: list[dict[str, Any]] = field(default_factory=list)
    #: Whether its request was abandoned: nothing of its reply is used.
    retracted: bool = False
    #: Called with the name of each tool call that opens, before it is read further; again if it turns out to be malformed.
    opened: Callable[[str], None] | None = None
    #: What reads its reply.
    reader: ReplyReader = field(default_factory=lambda: ReplyReader(Accumulator("call_")))

    @property
    def is_cut_by_limit(self) -> bool:
        """Whether the reply ended because of its limit."""
        return self.limit is not None and self.reason == "length" and self.length.may_have_reached(self.limit)

    @property
    def note(self) -> str:
        """What the user should know of it as an answer; empty when all is well."""
        if self.limit is not None and self.is_cut_by_limit:
            return f"the answer was cut off at its limit of {self.limit.tokens} tokens; raise --max-reply-tokens"
        if self.text.strip() or self.reason in _NOTES:
            return _NOTES.get(self.reason, "")
        if self.has_reasoned:
            return "the model reasoned and gave no answer"
        why = "" if self.reason in _ENDS else f" ({shorten(mask(self.reason), _REASON_CHARS)})"
        return f"the model answered without a text{why}"

    @property
    def is_empty(self) -> bool:
        """Whether the reply, which was not cut off, holds nothing at all."""
        return not (self.calls or self.text.strip() or self.has_reasoned or self.reason in _NOTES)

    @property
    def awaits(self) -> list[AwaitCall]:
        """The calls that ask to wait."""
        return [call for call in self.calls if isinstance(call, AwaitCall)]

    @property
    def requested(self) -> list[RequestedCall]:
        """The calls of tools."""
        return [call for call in self.calls if isinstance(call, RequestedCall)]


def opening(
    tools: Iterable[Tool], *, mode: Mode, system: str | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the part of each request before the conversation: the system message, if there is one, and the tools."""
    definitions = [tool.definition(references=mode.futures) for tool in tools]
    texts = [system] if system else []
    if mode.futures and definitions:
        definitions.append(protocol.await_future_definition())
        texts.append(protocol.INSTRUCTIONS)
    return [{"role": "system", "content": "\n\n".join(texts)}] if texts else [], definitions


class Turns:
    """Asks a model for one reply after another. Appending them to the conversation is left to the loop.

    Args:
        context: What the parts of the run share.
        admit_retry: Called before a request is retried; raises when the budget does not allow it.
    """

    def __init__(self, context: RunContext, *, admit_retry: Callable[[], None]) -> None:
        self._run, self._conversation, self._log = context.run, context.run.conversation, context.log
        self._model, self._tools, self._mode = context.model, context.tools, context.mode
        self._system, self._definitions = opening(context.tools.values(), mode=context.mode, system=context.system)
        functions = [definition["function"] for definition in self._definitions]
        self._take_arguments = {each["name"]: bool(each["parameters"].get("properties")) for each in functions}
        #: The tools whose calls may stand in a text, and those of them that are read there.
        self.offered = Offered(self._definitions)
        self._read_in_text = self.offered if context.calls_in_text else None
        self._admit_retry = admit_retry
        self.count = 0
        #: The turn whose reply is streaming, or was cut off.
        self.current: Turn | None = None
        #: Calls that have started in the replies before this one that broke off.
        self._broken_off: list[RequestedCall] = []

    def begin(self, limit: ReplyLimit | None, instead_of: Turn | None = None) -> Turn:
        """Begin a turn: its request holds the conversation as it is now.

        Args:
            limit: The limit of the reply.
            instead_of: The turn that asks the same with placeholders. If it streams still, the two race: which of them is used
                is not known yet.
        """
        self._conversation.make_valid()
        self.count += 1
        prefix = f"call_{len(self._conversation.call_ids) + 1}_"
        accumulator = Accumulator(prefix, self._conversation.call_ids, tools=self._take_arguments)
        turn = Turn(
            number=self.count,
            request=ChatRequest(
                messages=[*self._system, *self._conversation.messages],
                tools=self._definitions,
                most_tokens=None if limit is None else limit.tokens,
            ),
            limit=limit,
            sent_s=self._log.now_s(),
            reader=ReplyReader(accumulator, self._read_in_text),
        )
        if instead_of is None or instead_of.retracted:
            self.use(turn)
        self._conversation.driver.report(
            TurnStarted(turn=turn.number, instead_of=None if instead_of is None else instead_of.number)
        )
        return turn

    def use(self, turn: Turn) -> None:
        """Take a turn as the one whose reply continues the conversation: its request has shown the model what it holds."""
        self.current, self._run.request = turn, turn.request
        shown, self._conversation.newly_shown = self._conversation.newly_shown, []
        for call in shown:
            self._conversation.driver.report(ResultShown(future=call.name, turn=turn.number))

    async def read(self, turn: Turn) -> None:
        """Stream the reply to its end, or to its limit.

        Raises:
            ServerError: The server refused the request or broke the reply off; the turn holds what had arrived.
            BudgetSpent: A retry is needed, and the budget does not allow it.
        """
        try:
            await self._stream(turn)
            if not turn.retracted:
                turn.reason = turn.reader.finish().finish_reason
                for part in turn.reader.finish().parts:
                    self._take(turn, part)
        except ServerError:
            self._broken_off += [call for call in turn.requested if call.issued and call.server_id]
            raise

    def retract(self, turn: Turn, by: int) -> None:
        """Note that nothing of a turn's reply is used, since the turn of that number takes its place."""
        turn.retracted = True
        self._log.record(RequestRetracted(turn=turn.number, by=by))

    def end(self, turn: Turn) -> None:
        """End a turn, whatever ended its stream: the conversation can be continued with what has arrived."""
        turn.ended_s = self._log.now_s()
        reply = turn.reader.finish()
        turn.usage = reply.usage
        if turn.usage is not None:
            self._log.record(TokensCounted(turn=turn.number, **dataclasses.asdict(turn.usage)))
        if turn.retracted:
            return
        if turn.reason != CUT:
            self._broken_off = []
        turn.text = reply.text
        # Of a reply that was cut off, only the calls that were read may stand in the history.
        known = {call.call_id for call in turn.calls}
        turn.messages = [
            tool_messages.call_message(call.call_id, call.name, call.arguments_json)
            for call in reply.calls
            if call.call_id in known
        ]
        self._conversation.keep(reply.replay, self._model.name)
        self._conversation.driver.report(TurnEnded(turn=turn.number, reason=turn.reason, calls=len(turn.calls)))

    async def _stream(self, turn: Turn) -> None:
        async with contextlib.aclosing(self._model.stream(turn.request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, Retrying):
                    turn.retried = True
                    self._log.record(RequestRetried(turn=turn.number, **dataclasses.asdict(delta)))
                    self._admit_retry()
                    continue
                if not turn.arrived and not isinstance(delta, Finish | Usage):
                    turn.arrived, turn.first_token_s = True, self._log.now_s()
                    self._log.record(FirstTokenArrived(turn=turn.number))
                for part in turn.reader.feed(delta):
                    self._take(turn, part)
                turn.length.add(delta)
                if turn.retracted:
                    break
                accumulator = turn.reader.accumulator
                if turn.limit is not None and turn.length.tokens > turn.limit.tokens and not accumulator.has_ended:
                    accumulator.feed(Finish(reason="length"))
                    break

    def _take(self, turn: Turn, part: Part) -> None:
        # A call that names no tool is malformed without having opened.
        if isinstance(part, CallOpenedPart | CallMalformedPart) and turn.opened is not None:
            turn.opened(part.name)
        if turn.retracted:
            return
        match part:
            case TextPart(text=text):
                self._log.record(TextStreamed(turn=turn.number, text=text))
            case ReasoningPart(text=text):
                turn.has_reasoned = True
                self._log.record(ReasoningStreamed(turn=turn.number, text=text))
            case TextWithdrawnPart():
                turn.has_reasoned = True
                self._log.record(TextWithdrawn(turn=turn.number))
            case CallOpenedPart(call_id=call_id, name=name):
                self._log.record(CallOpened(turn=turn.number, call=CallId(call_id), tool=name))
            case CallClosedPart(call_id=call_id, name=name, arguments=arguments):
                server_id = turn.reader.accumulator.server_id(call_id)
                call = RequestedCall(call_id=CallId(call_id), name=name, arguments=arguments, server_id=server_id)
                if any(
                    (each.server_id, each.name, each.arguments) == (server_id, name, arguments)
                    for each in self._broken_off
                ):
                    call.problem = CallError(
                        "this call was made already, by the reply that broke off, and did not run a second time; its result "
                        "is in the messages above: use it, or write the call again."
                    )
                self._add(turn, call)
            case CallMalformedPart(call_id=call_id, name=name, problem=why):
                problem = CallError(
                    f"the arguments of {name or 'this call'} cannot be read: {why}; write the call again."
                )
                named = name or "unnamed"
                self._add(turn, RequestedCall(call_id=CallId(call_id), name=named, arguments={}, problem=problem))

    def _add(self, turn: Turn, call: RequestedCall) -> None:
        self._log.record(CallClosed(turn=turn.number, call=call.call_id))
        if call.name == protocol.AWAIT_FUTURE and self._mode.futures:
            request = str(call.problem) if call.problem else tool_messages.read_await(call.arguments)
            turn.calls.append(AwaitCall(call_id=call.call_id, request=request))
            return
        turn.calls.append(call)
        if self._mode.starts_while_streaming:
            self.issue(turn, call)

    def issue(self, turn: Turn, call: RequestedCall) -> ToolCall:
        """Give a call its future, and start it as soon as the scheduler allows."""
        tool = self._tools.get(call.name)
        problem = call.problem
        if tool is None and problem is None:
            problem = UnknownTool(call.name, known=tuple(self._tools))
        call.issued = self._conversation.driver.issue(
            call_id=call.call_id,
            turn=turn.number,
            name=call.name,
            tool=tool,
            arguments=call.arguments,
            references=self._mode.futures,
            problem=problem,
        )
        return call.issued
