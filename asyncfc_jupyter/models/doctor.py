"""Finds out what a server can do, with a few short requests for each API, and which options follow.

The model is offered two dummy tools and asked for both. Their schemas accept references, as in a run with futures; if the
server refuses them, they are sent without. The deltas show how calls arrive: in how many pieces, with which ids and indexes,
how many in one reply. Then the calls are answered, one by a placeholder and one by a value, to see whether the server accepts
that. What the model says does not matter.

A small model on a laptop takes its time, so progress is reported, and no request asks for more than it needs: as soon as calls
or enough text came, the stream is closed, which frees the server.

Reports are cached on disk by server and model, since a server seldom changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from asyncfc_jupyter.core.protocol import NOT_THE_RESULT
from asyncfc_jupyter.core.references import REFERENCE_SCHEMA
from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.models.accumulator import Accumulator, ReasoningPart, ReplyCall, TextPart, TextWithdrawnPart
from asyncfc_jupyter.models.aliases import resolve
from asyncfc_jupyter.models.base import (
    REPLAY,
    CallDelta,
    ChatModel,
    ChatRequest,
    Delta,
    Finish,
    ReasoningDelta,
    ReplyItem,
    Retrying,
    TextDelta,
    Usage,
)
from asyncfc_jupyter.models.catalog import Where, address_of, apis_of, open_model
from asyncfc_jupyter.models.doctor_report import Report, Seen, report_path
from asyncfc_jupyter.models.in_text.calls import Offered, calls_at_end
from asyncfc_jupyter.models.in_text.reply_reader import ReplyReader
from asyncfc_jupyter.models.openai.async_tools import OpenAINative
from asyncfc_jupyter.models.registry import REHEARSAL, api_title
from asyncfc_jupyter.models.side_by_side import measure
from asyncfc_jupyter.notices import dropped_notices

#: A model may think for long before it calls; this is more than that and two calls take.
_MOST_DELTAS = 400
#: A small model may talk without end. No model says more than this before it calls.
_MOST_TEXTS = 80
#: The limit of a reply of which only the beginning matters, in tokens: the least that OpenAI accepts.
_FEW_TOKENS = 16
#: Seconds between two reports on the progress of a reply.
_REPORT_EVERY_S = 0.5
_QUESTION = {
    "role": "user",
    "content": "What is the weather in Lisbon, and what time is it there? Call both tools now, in one reply.",
}
_DAYS: dict[str, Any] = {"type": "integer", "minimum": 0}


def _tools(days: Mapping[str, Any], shape: str = "") -> list[dict[str, Any]]:
    """Return the dummy tools, with this schema for the one parameter that is not a text, and this shape of the result."""
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"description": "Days from now.", "default": 0, **days}},
        "required": ["city"],
        "additionalProperties": False,
    }
    return [
        {
            "type": "function",
            "function": {"name": name, "description": f"{description}{shape}", "parameters": parameters},
        }
        for name, description in (("get_weather", "Weather of a city."), ("get_time", "Local time in a city."))
    ]


#: The tools as a run describes them in the mode with futures, and in the other modes.
_WIDENED, _PLAIN = _tools({"anyOf": [_DAYS, dict(REFERENCE_SCHEMA)]}, "\n\n-> str"), _tools(_DAYS)
#: Statuses of a server that does not support a schema.
_SCHEMA_REFUSED = frozenset({400, 422})
#: Sent back if the model made no calls itself.
_MADE_CALLS: list[dict[str, Any]] = [
    {"id": f"doctor_{name}", "type": "function", "function": {"name": name, "arguments": '{"city": "Lisbon"}'}}
    for name in ("get_weather", "get_time")
]
#: Of a reply without calls in its text, what `calls_at_end` returns.
_NOT_WRITTEN: tuple[Sequence[str], str, str] = ((), "", "")
_PENDING: dict[str, Any] = {
    "future": "f1",
    "tool": "get_weather",
    "status": "pending",
    "value": None,
    "note": NOT_THE_RESULT,
}
_DONE: dict[str, Any] = {"future": "f2", "tool": "get_time", "status": "done", "value": "12:00"}


#: Receives what the doctor does, as half a sentence: when a step begins, and now and then while it runs.
Progress = Callable[[str], None]


async def examine(
    model: str,
    *,
    where: Where,
    options: Mapping[str, Any] | None = None,
    fresh: bool = False,
    progress: Progress = lambda _doing: None,
) -> Report:
    """Return what the server of a model can do, from the cache or by asking it.

    Cancelling this closes the connection; then nothing is cached.

    Args:
        model: The name by which the server knows the model, or an alias.
        where: How it is reached.
        options: Options of the model, sent with each request.
        fresh: Whether the server is asked although a report is cached.
        progress: Receives what is being done. Not called when the report comes from the cache.

    Raises:
        ServerError: The server cannot be reached, or refuses the plainest request.
        UsageError: There is no such server, API or key.
    """
    model = resolve(model)
    if model == REHEARSAL:
        raise UsageError("the rehearsal model needs no doctor: it can do all that is asked; name a server's model.")
    details = json.dumps([where.api, dict(options or {}), dict(where.headers or {})], sort_keys=True)
    path = report_path(address_of(where), model, details)
    if not fresh and (kept := await asyncio.to_thread(Report.load, path)) is not None:
        return kept
    with dropped_notices():  # of refused options, which the report shows
        report = await _examine(model, where, options or {}, progress)
    with contextlib.suppress(OSError):  # without a cache the next examination asks the server again
        await asyncio.to_thread(report.save, path)
    return report


async def _examine(model: str, where: Where, options: Mapping[str, Any], progress: Progress) -> Report:
    seen: dict[str, Seen] = {}
    refused: dict[str, str] = {}
    failure: ServerError | None = None
    for api in apis_of(where):
        if api == "native" and "responses" in refused:
            refused[api] = "needs the Responses API"
            continue
        try:
            opened = open_model(model, where=dataclasses.replace(where, api=api), options=options)
            seen[api] = await Examination(opened, api, progress).run(compared=bool(seen))
        except ServerError as error:
            failure = failure or error
            refused[api] = f"refused ({error.status})" if error.status else "no reply"
            if error.status in {None, 401, 403} and not seen:
                raise
    if not seen and failure is not None:
        raise failure
    report = Report(
        model=model,
        address=address_of(where),
        server=where.server,
        examined_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        seen=seen,
        refused=refused,
    )
    progress(f"{api_title(report.api)}: makes two requests at once")
    opened = open_model(model, where=dataclasses.replace(where, api=report.api), options=options)
    return dataclasses.replace(report, at_once=await measure(opened))


class Examination:
    """Examines one API of a server.

    Args:
        model: The model, reached through that API.
        api: Its name.
        progress: Receives what is being done.
    """

    def __init__(self, model: ChatModel, api: str, progress: Progress) -> None:
        self._model, self._api, self._progress = model, api, progress
        self._tools = _WIDENED

    async def run(self, *, compared: bool) -> Seen:
        """Ask for calls and answer them.

        Args:
            compared: Whether another API of this server was examined before.

        Raises:
            ServerError: The server refuses the plainest request.
        """
        try:
            reply = await self._ask("asks for two calls")
        except ServerError as error:
            if error.status not in _SCHEMA_REFUSED:
                raise
            self._tools = _PLAIN
            reply = await self._ask("asks with schemas that take no references")
        forced, written = False, _NOT_WRITTEN
        if not reply.calls:
            written = calls_at_end(reply.text, Offered(self._tools))
            with contextlib.suppress(ServerError):
                required = await self._ask("insists on a call", tool_choice="required")
                forced = bool(required.calls)
                reply = required if forced else reply
        native = isinstance(self._model, OpenAINative) and self._model.is_native and self._model.async_calls > 0
        placeholder = usage_when_asked = False
        if native or self._api != "native" or not compared:  # else this API will not be used
            placeholder, usage_when_asked = await self._answer(reply)
        return reply.seen(
            forced=forced,
            placeholder=placeholder,
            usage_when_asked=usage_when_asked,
            native=native,
            references=self._tools is _WIDENED,
            written=written,
        )

    async def _ask(
        self, doing: str, history: Sequence[Mapping[str, Any]] = (), *, briefly: bool = False, **options: Any
    ) -> TimedReply:
        """Ask the question and return the reply, or as much of it as matters.

        Args:
            doing: What this asks for, for `Progress`.
            history: Messages that follow the question.
            briefly: Whether the reply is limited to a few tokens, so that all of it is read.
            options: Options of the request.
        """
        step = f"{api_title(self._api)}: {doing}"
        self._progress(step)
        most_tokens = _FEW_TOKENS if briefly else None
        messages = [_QUESTION, *history]
        request = ChatRequest(messages=messages, tools=self._tools, options=options, most_tokens=most_tokens)
        clock = asyncio.get_running_loop().time
        started_s = reported_s = clock()
        accumulator, deltas, texts, reasoned = Accumulator("doctor_"), list[tuple[float, Delta]](), 0, False
        reader = ReplyReader(accumulator)
        async with aclosing(self._model.stream(request)) as stream:
            async for delta in stream:
                now_s = clock()
                if now_s - reported_s >= _REPORT_EVERY_S:
                    self._progress(f"{step}; {len(deltas)} pieces in {now_s - started_s:.0f} s")
                    reported_s = now_s
                if isinstance(delta, Retrying):
                    self._progress(f"{step}; {delta.message}")
                else:
                    deltas.append((now_s - started_s, delta))
                    parts = reader.feed(delta)
                    texts += any(isinstance(part, TextPart) for part in parts)
                    reasoned = reasoned or any(isinstance(part, ReasoningPart | TextWithdrawnPart) for part in parts)
                if len(deltas) >= _MOST_DELTAS or (not briefly and texts >= _MOST_TEXTS and not accumulator.has_calls):
                    break
        answered = reader.finish()
        return TimedReply(deltas, answered.calls, answered.replay, text=answered.text, reasoned=reasoned)

    async def _answer(self, reply: TimedReply) -> tuple[bool, bool]:
        """Answer the calls, the first by a placeholder; return whether that was accepted, and whether usage came."""
        calls: list[dict[str, Any]] = [
            {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
            for call in reply.calls[:2]
        ]
        calls = calls or _MADE_CALLS
        answers = [
            {
                "role": "tool",
                "tool_call_id": call["id"],
                "content": json.dumps({**content, "tool": call["function"]["name"]}),
            }
            for call, content in zip(calls, (_PENDING, _DONE), strict=False)
        ]
        options = {"stream_options": {"include_usage": True}} if self._api == "chat" else {}
        kept = {REPLAY: {"model": self._model.name, **reply.replay}} if reply.replay and reply.calls else {}
        history = [{"role": "assistant", "content": None, "tool_calls": calls, **kept}, *answers]
        try:
            answered = await self._ask("gives a placeholder", history, briefly=True, **options)
        except ServerError:
            return False, False
        return bool(answered.deltas), any(isinstance(delta, Usage) for _, delta in answered.deltas)


@dataclasses.dataclass(frozen=True, slots=True)
class TimedReply:
    """A reply: each delta with the seconds since the request, and the calls that they make."""

    deltas: Sequence[tuple[float, Delta]]
    calls: Sequence[ReplyCall] = ()
    #: What the model wants to see again with it.
    replay: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    text: str = ""
    #: Whether any of it was reasoning.
    reasoned: bool = False

    def seen(
        self,
        *,
        forced: bool,
        placeholder: bool,
        usage_when_asked: bool,
        native: bool,
        references: bool,
        written: tuple[Sequence[str], str, str] = _NOT_WRITTEN,
    ) -> Seen:
        """Return what this reply shows of its server, with what other replies have shown."""
        tools, opening, form = written
        deltas = [delta for _, delta in self.deltas]
        generated_s = [at_s for at_s, delta in self.deltas if not isinstance(delta, Finish | Usage | ReplyItem)]
        calls = [delta for delta in deltas if isinstance(delta, CallDelta)]
        opened = [delta for delta in calls if delta.name or delta.call_id]
        usage = [delta for delta in deltas if isinstance(delta, Usage)]
        tokens = usage[-1].output_tokens if usage else len(generated_s)
        span_s = generated_s[-1] - generated_s[0] if generated_s else 0.0
        return Seen(
            calls=len(self.calls),
            forced=forced,
            text_pieces=sum(isinstance(delta, TextDelta) for delta in deltas),
            reasoning=self.reasoned or any(isinstance(delta, ReasoningDelta) for delta in deltas),
            argument_pieces=sum(bool(delta.arguments) for delta in calls),
            own_ids=len({delta.call_id for delta in opened if delta.call_id}),
            indexes=sorted({delta.index for delta in opened if delta.index is not None}),
            usage=bool(usage),
            usage_when_asked=usage_when_asked,
            placeholder=placeholder,
            native=native,
            references=references,
            text_calls=[opening, form] if tools else [],
            first_token_s=round(generated_s[0], 3) if generated_s else None,
            tokens_per_s=round((tokens - 1) / span_s, 1) if tokens > 1 and span_s > 0 else None,
        )
