"""What the doctor found, and how it is told: the rows a person reads, and the options that follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from asyncfc_jupyter.models.registry import APIS, api_title


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one API of a server did when it was asked for two calls and given a placeholder."""

    calls: int
    #: Calls came only when ``tool_choice`` was ``required``.
    forced: bool
    text_pieces: int
    reasoning: bool
    #: Deltas in which arguments came, of all calls together.
    argument_pieces: int
    own_ids: int
    indexes: list[int]
    usage: bool
    usage_when_asked: bool
    placeholder: bool
    #: Whether the server marked its calls as asynchronous itself.
    native: bool
    first_token_s: float | None
    tokens_per_s: float | None
    #: Whether schemas that take references were accepted.
    references: bool

    @property
    def futures(self) -> bool:
        """Whether the mode with futures can be used."""
        return self.placeholder and self.references

    @property
    def ease(self) -> tuple[bool, int]:
        """How readily calls came: unasked goes before many."""
        return bool(self.calls) and not self.forced, self.calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a server can do for one model."""

    model: str
    address: str
    #: When it was found out, as ISO 8601 in UTC.
    examined_at: str
    #: What was seen, by API.
    seen: Mapping[str, Seen]
    #: Why an API was not looked at, by API.
    refused: Mapping[str, str] = field(default_factory=dict)
    cached: bool = False

    @property
    def api(self) -> str:
        """The API to use: asynchronous tools where the server has them, else the one that shows most of a call."""
        if "native" in self.seen and self.seen["native"].native:
            return "native"
        able = [api for api in ("responses", "chat") if api in self.seen and self.seen[api].futures]
        if "responses" in able and "chat" in able and not self.seen["responses"].reasoning:
            return max(reversed(able), key=lambda api: self.seen[api].ease)
        return able[0] if able else next(iter(self.seen))

    @property
    def best(self) -> Seen:
        """What was seen with that API."""
        return self.seen[self.api]

    @property
    def mode(self) -> str:
        """The mode to use."""
        return "async" if self.best.futures else "eager"

    @property
    def options(self) -> Mapping[str, object]:
        """The model options to set."""
        options: dict[str, object] = {}
        if self.api == "chat" and not self.best.usage and self.best.usage_when_asked:
            options["stream_options"] = {"include_usage": True}
        return options

    def text(self, *, magic: bool = False) -> str:
        """Return the report for people, a row a line; options as they stand behind a magic, or in Python."""
        rows = list(self._rows(magic=magic))
        width = max(len(name) for name, _ in rows) + 2
        return "\n".join(f"{name:<{width}}{value}" for name, value in rows)

    def _rows(self, *, magic: bool) -> Iterator[tuple[str, str]]:
        seen = self.best
        yield "model", self.model
        yield "server", self.address
        for api in dict.fromkeys([*APIS, *self.seen, *self.refused]):
            if api in self.seen or api in self.refused:
                yield api_title(api), self._served(api)
        yield "calls", _calls(seen)
        yield "arguments", _arguments(seen)
        yield "ids, indexes", _ids(seen)
        yield "reasoning", "shown" if seen.reasoning else "not shown"
        yield "placeholder", "accepted" if seen.placeholder else "refused: results are waited for in every turn"
        yield "references", "accepted" if seen.references else "refused in schemas: the mode async cannot be used"
        yield "usage", _usage(seen)
        yield "first token", "unknown" if seen.first_token_s is None else f"{seen.first_token_s:.2f} s"
        yield "speed", "unknown" if seen.tokens_per_s is None else f"{seen.tokens_per_s:.0f} tokens/s"
        yield "use", self._use(magic=magic)
        yield "examined", f"{self.examined_at}{' (kept; --fresh asks again)' if self.cached else ''}"

    def _served(self, api: str) -> str:
        if api in self.refused:
            return f"no: {self.refused[api]}"
        if api == "native" and not self.seen[api].native:
            return "no: the server takes them, but its calls are not marked so"
        return "yes"

    def _use(self, *, magic: bool) -> str:
        if magic:
            return f"--api {self.api} --mode {self.mode}"
        options = f", model_options={dict(self.options)!r}" if self.options else ""
        return f'api="{self.api}", mode="{self.mode}"{options}'


def _calls(seen: Seen) -> str:
    if not seen.calls:
        return "none: this model, or its template, does not call tools; use another"
    number = f"{seen.calls} in one reply" if seen.calls > 1 else "one a reply"
    return f"{number}, only with tool_choice required" if seen.forced else number


def _arguments(seen: Seen) -> str:
    if not seen.calls:
        return "unknown"
    if seen.argument_pieces <= seen.calls:
        return "whole: a call starts when the server sends it"
    return f"stream, about {seen.argument_pieces / seen.calls:.0f} pieces a call: a call starts when its JSON closes"


def _ids(seen: Seen) -> str:
    if not seen.calls:
        return "unknown"
    ids = "its own" if seen.own_ids >= seen.calls else "missing or repeated, made here"
    indexes = ", ".join(map(str, seen.indexes)) or "none"
    return f"{ids}; {indexes}"


def _usage(seen: Seen) -> str:
    if seen.usage:
        return "counted"
    return "counted when asked for (stream_options)" if seen.usage_when_asked else "not counted"
