"""What a server can do, found out by one tiny exchange for each API, and which options follow from it.

Two dummy tools are offered and a question asked that wants both. Their schemas take references as those of a run in the
mode with futures do; a server that refuses them is asked once more without. How the calls come (in pieces, with which ids and
indexes, one or several in a reply) is seen in the deltas themselves. Then the calls are answered, one by a placeholder
and one by a value, to see whether the server takes the answer. Nothing is judged of what the model says.

Whoever waits is told how far it has come: a small model on a laptop takes its time. So no question asks for more than it
needs: once calls came, or enough text that is none, the stream is closed, which frees the server.

The report is kept per server and model in the user's cache, since a server does not change from cell to cell.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from asyncfc_jupyter._version import __version__
from asyncfc_jupyter.core.protocol import NOT_THE_RESULT
from asyncfc_jupyter.core.references import REFERENCE_SCHEMA
from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.models.accumulator import Accumulator
from asyncfc_jupyter.models.aliases import resolve
from asyncfc_jupyter.models.atomic_file import replace_file
from asyncfc_jupyter.models.base import (
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
from asyncfc_jupyter.models.catalog import Where, address_of, open_model
from asyncfc_jupyter.models.doctor_report import Report, Seen
from asyncfc_jupyter.models.openai.async_tools import OpenAINative
from asyncfc_jupyter.models.registry import APIS, REHEARSAL, api_named, api_title

#: A model may think for long before it calls; this is more than that and two calls take.
_MOST_DELTAS = 400
#: A small model may talk on for ever; this is more than any says before it calls.
_MOST_TEXT = 80
#: What is asked for when only the beginning of a reply matters, in tokens: the least that OpenAI accepts.
_FEW_TOKENS = 16
#: Seconds between two words on how far a reply has come.
_TELL_EVERY_S = 0.5
_QUESTION = "What is the weather in Lisbon, and what time is it there? Call both tools now, in one reply."
_DAYS: dict[str, Any] = {"type": "integer", "minimum": 0}


def _tools(days: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the dummy tools, with this schema for the one parameter that is no text."""
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"description": "Days from now.", "default": 0, **days}},
        "required": ["city"],
        "additionalProperties": False,
    }
    return [
        {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}
        for name, description in (("get_weather", "Weather of a city."), ("get_time", "Local time in a city."))
    ]


#: As the tools of a run are described in the mode with futures, and in the others.
_WIDENED, _PLAIN = _tools({"anyOf": [_DAYS, dict(REFERENCE_SCHEMA)]}), _tools(_DAYS)
#: How a server answers that cannot do with a schema.
_SCHEMA_REFUSED = frozenset({400, 422})
_PENDING: dict[str, Any] = {
    "future": "f1",
    "tool": "get_weather",
    "status": "pending",
    "value": None,
    "note": NOT_THE_RESULT,
}
_DONE: dict[str, Any] = {"future": "f2", "tool": "get_time", "status": "done", "value": "12:00"}


#: Told what is being done, as half a sentence: when something begins, and now and then while it goes on.
Progress = Callable[[str], None]


@dataclasses.dataclass(slots=True)
class _Heard:
    """A reply, each delta with the seconds since the request."""

    deltas: list[tuple[float, Delta]]
    calls: tuple[Mapping[str, Any], ...]

    def of(self, *kinds: type[Delta]) -> list[tuple[float, Any]]:
        return [(at_s, delta) for at_s, delta in self.deltas if isinstance(delta, kinds)]


def _say_nothing(_: str) -> None:
    pass


async def examine(model: str, *, where: Where, fresh: bool = False, progress: Progress = _say_nothing) -> Report:
    """Return what the server of a model can do, from the cache unless that is to be left aside.

    Cancelling this closes the connection at once; nothing is kept then.

    Args:
        model: The name by which the server knows the model, or an alias.
        where: How it is reached.
        fresh: Whether it is asked although a report is kept.
        progress: Told what is being done. Not called when the report comes from the cache.

    Raises:
        ServerError: The server cannot be reached, or refuses the plainest request.
        UsageError: There is no such server or key.
    """
    model = resolve(model)
    if model == REHEARSAL:
        raise UsageError("the rehearsal model needs no doctor: it can do all that is asked; name a server's model.")
    path = _cache_file(model, where)
    if not fresh and (kept := await asyncio.to_thread(_read, path)) is not None:
        return kept
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # refused options are what is being found out
        report = await _examine(model, where, progress)
    await asyncio.to_thread(_write, path, report)
    return report


async def _examine(model: str, where: Where, progress: Progress) -> Report:
    apis = (where.api,) if where.api else APIS
    seen: dict[str, Seen] = {}
    refused: dict[str, str] = {}
    failure: ServerError | None = None
    for api in apis:
        if api == "native" and "responses" in refused:
            refused[api] = "needs the Responses API"
            continue
        try:
            opened = open_model(model, where=dataclasses.replace(where, api=api), options={})
            seen[api] = await _Examination(opened, api, progress).look(compared=bool(seen))
        except ServerError as error:
            failure = failure or error
            refused[api] = f"refused ({error.status})" if error.status else "no reply"
            if error.status in {None, 401, 403} and not seen:
                raise
    if not seen and failure is not None:
        raise failure
    return Report(
        model=model,
        address=address_of(where),
        examined_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        seen=seen,
        refused=refused,
    )


class _Examination:
    """Looks at one API.

    Args:
        model: The model, reached through that API.
        api: Its name.
        progress: Told what is being done.
    """

    def __init__(self, model: ChatModel, api: str, progress: Progress) -> None:
        self._model, self._api, self._progress = model, api, progress
        self._question = {"role": "user", "content": _QUESTION}
        self._tools = _WIDENED

    async def look(self, *, compared: bool) -> Seen:
        """Ask for calls and answer them.

        Args:
            compared: Whether another API of this server was looked at before.

        Raises:
            ServerError: The server refuses the plainest request.
        """
        try:
            heard = await self._listen("asks for two calls")
        except ServerError as error:
            if error.status not in _SCHEMA_REFUSED:
                raise
            self._tools = _PLAIN
            heard = await self._listen("asks with schemas that take no references")
        forced = not heard.calls
        if forced:
            try:
                again = await self._listen("insists on a call", tool_choice="required")
            except ServerError:
                again = heard
            forced, heard = bool(again.calls), again if again.calls else heard
        native = isinstance(self._model, OpenAINative) and self._model.is_native and self._model.async_calls > 0
        if self._api == "native" and compared and not native:
            accepted = usage_when_asked = False  # nobody will use it, so how it goes on is not worth the time
        else:
            accepted, usage_when_asked = await self._answer(heard)
        return _seen(
            heard,
            forced=forced,
            placeholder=accepted,
            usage_when_asked=usage_when_asked,
            native=native,
            references=self._tools is _WIDENED,
        )

    async def _listen(
        self, doing: str, history: Sequence[Mapping[str, Any]] = (), *, briefly: bool = False, **options: Any
    ) -> _Heard:
        step = f"{api_title(self._api)}: {doing}"
        self._progress(step)
        request = ChatRequest(messages=[self._question, *history], tools=self._tools, options=options)
        clock = asyncio.get_running_loop().time
        started_s = told_s = clock()
        accumulator, deltas, texts = Accumulator("doctor_"), list[tuple[float, Delta]](), 0
        async with aclosing(self._model.stream(request)) as stream:
            async for delta in stream:
                now_s = clock()
                if now_s - told_s >= _TELL_EVERY_S:
                    self._progress(f"{step}; {len(deltas)} pieces in {now_s - started_s:.0f} s")
                    told_s = now_s
                if not isinstance(delta, Retrying):
                    deltas.append((now_s - started_s, delta))
                    accumulator.feed(delta)
                    texts += isinstance(delta, TextDelta)
                if len(deltas) >= _MOST_DELTAS or (not briefly and texts >= _MOST_TEXT and not accumulator.has_calls):
                    break
        calls = tuple(
            {"id": c.call_id, "type": "function", "function": {"name": c.name, "arguments": c.arguments_json}}
            for c in accumulator.finish().calls
        )
        return _Heard(deltas, calls)

    async def _answer(self, heard: _Heard) -> tuple[bool, bool]:
        """Answer the calls, the first with a placeholder; return whether that was taken, and whether usage came."""
        made = [
            {"id": f"doctor_{name}", "type": "function", "function": {"name": name, "arguments": '{"city": "Lisbon"}'}}
            for name in ("get_weather", "get_time")
        ]
        calls = list(heard.calls[:2]) or made
        answers = [
            {
                "role": "tool",
                "tool_call_id": call["id"],
                "content": json.dumps({**content, "tool": call["function"]["name"]}),
            }
            for call, content in zip(calls, [_PENDING, _DONE][: len(calls)], strict=True)
        ]
        history = [{"role": "assistant", "content": None, "tool_calls": calls}, *answers]
        limit = api_named(self._api).limit_option
        options: dict[str, Any] = {limit: _FEW_TOKENS} if limit else {}
        if self._api == "chat":
            options["stream_options"] = {"include_usage": True}
        try:
            again = await self._listen("gives a placeholder", history, briefly=True, **options)
        except ServerError:
            return False, False
        return bool(again.deltas), bool(again.of(Usage))


def _seen(
    heard: _Heard, *, forced: bool, placeholder: bool, usage_when_asked: bool, native: bool, references: bool
) -> Seen:
    spoken = [at_s for at_s, delta in heard.deltas if not isinstance(delta, Finish | Usage | ReplyItem)]
    pieces = [delta for _, delta in heard.of(CallDelta) if delta.arguments]
    opened = [delta for _, delta in heard.of(CallDelta) if delta.name or delta.call_id]
    ids = list(dict.fromkeys(delta.call_id for delta in opened if delta.call_id))
    usage = [delta for _, delta in heard.of(Usage)]
    tokens = usage[-1].output_tokens if usage else len(spoken)
    span_s = spoken[-1] - spoken[0] if spoken else 0.0
    return Seen(
        calls=len(heard.calls),
        forced=forced,
        text_pieces=len(heard.of(TextDelta)),
        reasoning=bool(heard.of(ReasoningDelta)),
        argument_pieces=len(pieces),
        own_ids=len(ids),
        indexes=sorted({delta.index for delta in opened if delta.index is not None}),
        usage=bool(usage),
        usage_when_asked=usage_when_asked,
        placeholder=placeholder,
        native=native,
        references=references,
        first_token_s=round(spoken[0], 3) if spoken else None,
        tokens_per_s=round((tokens - 1) / span_s, 1) if tokens > 1 and span_s > 0 else None,
    )


# -- the cache -------------------------------------------------------------------------------------------------------


def _cache_file(model: str, where: Where) -> Path:
    # The package's version is part of it: what is looked for may have changed.
    name = hashlib.sha256("\n".join([__version__, address_of(where), model, where.api or ""]).encode()).hexdigest()[:16]
    return user_cache_path("asyncfc_jupyter", appauthor=False) / "doctor" / f"{name}.json"


def _read(path: Path) -> Report | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return Report(**{**kept, "seen": {api: Seen(**seen) for api, seen in kept["seen"].items()}, "cached": True})
    except (OSError, ValueError, TypeError, KeyError):
        return None  # none yet, or one of another form: it is made anew


def _write(path: Path, report: Report) -> None:
    with contextlib.suppress(OSError):  # a home that cannot be written to costs the next examination, not this one
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(dataclasses.asdict(report), indent=2))
