"""Tools: functions a model may call, with what they read and write and how they are to be run."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from types import MethodType, UnionType
from typing import Any, TypedDict, TypeVar, Unpack, overload

from asyncfc_jupyter.core.effects import EffectTemplates, PathTemplate, show_path
from asyncfc_jupyter.core.events import Limit
from asyncfc_jupyter.core.protocol import AWAIT_FUTURE
from asyncfc_jupyter.defaults import DEFAULT_TIMEOUT_S, RUN_IN, RunIn
from asyncfc_jupyter.errors import ToolDefinitionError
from asyncfc_jupyter.foreign_code import ForeignCode, type_name
from asyncfc_jupyter.tools.identity import identity_of
from asyncfc_jupyter.tools.no_function import why_no_function
from asyncfc_jupyter.tools.schema import Parameters
from asyncfc_jupyter.tools.signature_text import signature_text

Function = TypeVar("Function", bound=Callable[..., Any])
Templates = str | Iterable[str] | None

#: What the function-calling protocol allows as a name.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_MARK = "__asyncfc_tool__"
#: Characters of a description that every server takes. OpenAI refused longer ones until 2025, and gateways copied its limit.
_TAKEN_EVERYWHERE = 1_024
#: Fields of a function's description that are not the user's.
_OWN_FIELDS = frozenset({"async", "description", "input_schema", "name", "parameters", "type"})
_FLAGS = frozenset({"pure", "idempotent", "irreversible", "approve", "detached"})
#: Options that a tool keeps as they are given.
_AS_THEY_ARE = frozenset({"timeout_s", "expected_s", "idempotent", "irreversible", "approve", "detached", "retries"})


class ToolOptions(TypedDict, total=False):
    """What ``@tool`` and `make_tool` take beside the function."""

    #: Path templates of the state a call reads, such as ``"flights/{city}"``; one or several.
    reads: Templates
    #: Path templates of the state a call writes.
    writes: Templates
    #: The function touches no state but reads the objects that it is given: its calls overlap with all others that change
    #: none of these. With neither this nor reads nor writes, calls are ordered against every other call that has effects.
    pure: bool
    #: Calling twice has the same effect as calling once. Such a call may be retried, and one that repeats a pending call
    #: shares its outcome, unless the user is asked before each. Pure functions are idempotent by nature.
    idempotent: bool
    #: What it does cannot be undone: it starts only after every earlier call has succeeded and its own reply has ended well.
    #: When an earlier one did not succeed, it is skipped, and the model gets to know.
    irreversible: bool
    #: The user is asked before each call, while everything else continues.
    approve: bool
    #: A run's end does not wait for it.
    detached: bool
    #: How many of its calls may run at once; or, by path template such as ``{"api/{host}": 2}``, how many of all calls with the
    #: same path.
    limit: int | Mapping[str, int] | None
    #: Seconds after which an attempt counts as failed; None for no limit. 60 by default.
    timeout_s: float | None
    #: Seconds that a call is expected to take until calls have been measured; None if that is not known. Results that are
    #: expected soon are waited for before the model is asked again.
    expected_s: float | None
    #: How often a failed call is retried, after a growing and partly random pause; only where idempotent or pure.
    retries: int
    #: Further fields of the function's description, for servers that have them, such as ``{"strict": True}``. A server that
    #: refuses one is not sent it again.
    extra: Mapping[str, Any]
    #: ``loop``, ``thread``, ``process`` or an executor. By default async functions run on the event loop, others in a thread.
    run_in: RunIn | Executor | None
    #: The name for the model; the function's own by default.
    name: str | None
    #: What the function does, for the model; by default its docstring, without what that says about arguments.
    description: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitTemplate:
    """A limit on a resource that the arguments name, such as two calls at once for each ``api/{host}``."""

    path: PathTemplate
    places: int

    def expand(self, texts: Mapping[str, Sequence[str]]) -> tuple[Limit, ...]:
        """Return the limits for these arguments: one for each path, so that calls at one place share one at least."""
        return tuple(Limit(name=show_path(path), places=self.places) for path in self.path.expand(texts))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tool:
    """A function with what a model and the scheduler must know about it. Made by `make_tool`; fields as in `ToolOptions`."""

    name: str
    function: Callable[..., Any]
    parameters_of: Parameters
    effects: EffectTemplates
    timeout_s: float | None = DEFAULT_TIMEOUT_S
    expected_s: float | None = None
    idempotent: bool = False
    irreversible: bool = False
    approve: bool = False
    detached: bool = False
    #: Calls of this tool that may run at once; None for as many as the run allows.
    limit: int | None = None
    resource_limits: tuple[LimitTemplate, ...] = ()
    retries: int = 0
    run_in: RunIn | Executor = "thread"
    #: The options it was made with.
    options: ToolOptions = dataclasses.field(default_factory=ToolOptions, repr=False)
    #: Names of the arguments that paths use, in effects and in limits.
    places_in: frozenset[str] = dataclasses.field(init=False, repr=False)
    #: Of these, the ones that a model writes under another name, an alias; None where there are several aliases.
    written_as: Mapping[str, str | None] = dataclasses.field(init=False, repr=False)
    #: What is remembered of it is found by this text: see `identity`.
    identity: str = dataclasses.field(init=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        # A marked function carries its tool. An executor that pickles functions by their value, such as loky or Dask, would
        # have to pickle the tool too, and with it the executor itself.
        return type(None), ()

    def __post_init__(self) -> None:
        limited = (template.path.arguments for template in self.resource_limits)
        object.__setattr__(self, "places_in", self.effects.arguments.union(*limited))
        object.__setattr__(self, "written_as", self.parameters_of.aliases(self.places_in))
        place = self.run_in if isinstance(self.run_in, str) else type_name(self.run_in)
        object.__setattr__(self, "identity", identity_of(self.function, f"{self.signature} in {place}"))

    @property
    def repeatable(self) -> bool:
        """Whether a call that equals a pending one may take its outcome.

        Calling twice must do what calling once does. A tool that declares no paths and is irreversible acts on the outside
        world all the same, and each call that needs the user's approval has a question of its own.
        """
        if self.irreversible or self.approve:
            return False
        return self.idempotent or (self.effects.declared and not (self.effects.reads or self.effects.writes))

    @property
    def stoppable(self) -> bool:
        """Whether an abandoned call stops: code in a thread, or in an executor of the user's own, cannot be stopped."""
        return self.run_in in ("loop", "process")

    @property
    def description(self) -> str:
        """What the tool does: its docstring without what that says about arguments, or the author's other text."""
        return self.parameters_of.description

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the arguments."""
        return self.parameters_of.schema

    @property
    def signature(self) -> str:
        """The function's name and signature, short, without the parameters that a model does not see."""
        return f"{self.name}{signature_text(self.parameters_of.signature)}"

    @property
    def notices(self) -> tuple[str, ...]:
        """What its author should know of the texts that a model reads: what is cut, and what some servers refuse."""
        length = len(self.definition(references=True)["function"]["description"])
        refused = f"its description has {length:,} characters, and some servers refuse more than {_TAKEN_EVERYWHERE:,}"
        return (*self.parameters_of.notices, *([refused] if length > _TAKEN_EVERYWHERE else []))

    @property
    def is_async(self) -> bool:
        """Whether calling the function gives a coroutine."""
        return is_async(self.function)

    def definition(self, *, references: bool) -> dict[str, Any]:
        """Return the tool in the form of the Chat Completions API.

        Args:
            references: Whether the schema accepts references such as ``$f1`` in place of values. Then the description ends
                with the shape of the result, whose fields a model names before it sees them.
        """
        parameters = self.parameters_of.widened if references else self.parameters
        shape = self.parameters_of.result_shape if references else ""
        description = f"{self.description}\n\n-> {shape}" if shape else self.description
        function = {"name": self.name, "description": description, "parameters": parameters}
        function |= self.options.get("extra", {})
        try:
            text = json.dumps(function, ensure_ascii=False)
            text.encode()
        except UnicodeEncodeError:  # half a surrogate pair in a text: a request cannot hold it
            function = json.loads(text.encode(errors="replace"))
        return {"type": "function", "function": function}


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether calling a function, or an object, gives a coroutine."""
    call = getattr(function, "__call__", None)  # noqa: B004 - an object whose __call__ is async
    if isinstance(function, type):
        return False  # calling a class makes an object, whatever calling that does
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def make_tool(function: Callable[..., Any], **options: Unpack[ToolOptions]) -> Tool:
    """Make a tool of a function.

    Args:
        function: Any function or callable with annotated parameters and a docstring.
        options: See `ToolOptions`.

    Raises:
        ToolDefinitionError: Says why the function cannot be a tool, and how to fix it.
    """
    inner = function.func if isinstance(function, functools.partial) else function
    name = options.get("name") or str(getattr(inner, "__name__", type(inner).__name__))
    if isinstance(function, Tool):
        raise ToolDefinitionError(name, "it is a tool already", "pass it as it is, or its `.function`")
    if not callable(function):
        raise ToolDefinitionError(name, *why_no_function(function))
    if name == "<lambda>":
        raise ToolDefinitionError(
            name, "a lambda has no name and no types", "write a function with `def`, with types and a docstring"
        )
    if not _NAME.fullmatch(name) or name == AWAIT_FUTURE:
        reason = "is the layer's own" if name == AWAIT_FUTURE else "is not one the protocol allows"
        raise ToolDefinitionError(
            name, f"the name {reason}", "use up to 64 letters, digits, '_' or '-', and another name"
        )
    for problem, remedy in _problems(options):
        raise ToolDefinitionError(name, problem, remedy)
    parameters = Parameters(name, function, options.get("description"))
    run_in = options.get("run_in") or ("loop" if is_async(function) else "thread")
    if parameters.takes_context and (run_in == "process" or isinstance(run_in, ProcessPoolExecutor)):
        raise ToolDefinitionError(
            name,
            "it takes a ToolContext, which stays in its process, and is to run in another",
            'drop the parameter, or use run_in="thread"',
        )
    reads, writes, limit = options.get("reads"), options.get("writes"), options.get("limit")
    as_they_are: dict[str, Any] = {key: value for key, value in options.items() if key in _AS_THEY_ARE}
    return Tool(
        name=name,
        function=function,
        parameters_of=parameters,
        effects=EffectTemplates(
            reads=_templates(name, reads, parameters.place_names),
            writes=_templates(name, writes, parameters.place_names),
            declared=options.get("pure", False) or reads is not None or writes is not None,
        ),
        limit=limit if isinstance(limit, int) else None,
        resource_limits=_resource_limits(name, limit, parameters.place_names),
        run_in=run_in,
        options=options,
        **as_they_are,
    )


def _problems(options: ToolOptions) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with options, each with its remedy: those that mean nothing, alone or together."""
    if unknown := sorted(set(options) - ToolOptions.__annotations__.keys()):
        yield f"there is no option {unknown[0]!r}", f"the options are: {', '.join(ToolOptions.__annotations__)}"
    for flag, value in options.items():
        if flag in _FLAGS and not isinstance(value, bool):
            yield f"{flag} is {value!r}", "give True or False"
    pure, irreversible = options.get("pure"), options.get("irreversible")
    if pure and (options.get("reads") or options.get("writes")):
        yield "it is declared both pure and with effects", "drop pure, or reads and writes"
    harmless = pure or options.get("idempotent")
    if irreversible and harmless:
        yield "it is declared irreversible, and also harmless to call", "drop irreversible, or pure and idempotent"
    timeout_s: Any = options.get("timeout_s")
    if timeout_s is not None and not (_is_number(timeout_s, int | float) and timeout_s > 0):
        yield f"timeout_s is {timeout_s!r}", "give seconds above 0, or None for no limit"
    else:
        yield from _problems_with_expected(options.get("expected_s"), options.get("timeout_s", DEFAULT_TIMEOUT_S))
    retries: Any = options.get("retries", 0)
    if not _is_number(retries, int) or retries < 0:
        yield f"retries is {retries!r}", "give how often to try again: 0 or more"
    if retries and not harmless:
        yield "it has retries, and calling it twice may do more than calling it once", "add idempotent, or drop retries"
    description: Any = options.get("description")
    if description is not None and not (isinstance(description, str) and description.strip()):
        yield f"description is {description!r}", "give a text that says what it does"
    yield from _problems_with_extra(options.get("extra", {}))
    run_in = options.get("run_in")
    if run_in is not None and run_in not in RUN_IN and not isinstance(run_in, Executor):
        yield f"run_in is {run_in!r}", f"use one of {', '.join(RUN_IN)}, or a concurrent.futures.Executor"


def _problems_with_expected(expected_s: Any, timeout_s: float | None) -> Iterator[tuple[str, str]]:
    if expected_s is None:
        return
    if not (_is_number(expected_s, int | float) and 0 < expected_s <= sys.float_info.max):
        yield f"expected_s is {expected_s!r:.60}", "give the seconds that a call mostly takes, above 0"
    elif timeout_s is not None and expected_s > timeout_s:
        problem = f"a call is expected to take {expected_s:g} s (expected_s), and fails after {timeout_s:g} s"
        yield problem, "raise timeout_s, or lower expected_s"


def _problems_with_extra(extra: Any) -> Iterator[tuple[str, str]]:
    try:
        sent = isinstance(extra, Mapping) and json.dumps(dict(extra), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        sent = False
    if not sent or not all(isinstance(field, str) for field in extra):
        yield f"extra is {extra!r}", 'give fields with values that are JSON, such as {"strict": True}'
    elif taken := sorted(_OWN_FIELDS & extra.keys()):
        yield f"extra sets {taken[0]!r}, which is made from the function", "drop it, or change the function"


def _is_number(value: object, kind: type | UnionType) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _resource_limits(tool: str, limit: Any, parameters: Sequence[str]) -> tuple[LimitTemplate, ...]:
    if limit is None:
        return ()
    by_path = isinstance(limit, Mapping)
    for calls in limit.values() if by_path else [limit]:
        if not _is_number(calls, int) or calls < 1:
            raise ToolDefinitionError(
                tool,
                f"limit is {limit!r}",
                'give a number of calls of 1 or more, or numbers by path: {"api/{host}": 2}',
            )
    if not by_path:
        return ()
    paths = _templates(tool, limit, parameters)
    return tuple(LimitTemplate(path=path, places=places) for path, places in zip(paths, limit.values(), strict=True))


def _templates(tool: str, templates: Templates, parameters: Sequence[str]) -> tuple[PathTemplate, ...]:
    listed: Any = [templates] if isinstance(templates, str) else templates or ()
    if not isinstance(listed, Iterable) or not all(isinstance(text, str) for text in listed):
        raise ToolDefinitionError(
            tool, f"the path templates are {templates!r}", "write texts such as 'orders/{order_id}'"
        )
    parsed = []
    for text in listed:
        try:
            template = PathTemplate.parse(text)
        except ValueError as error:
            raise ToolDefinitionError(tool, str(error), "write it as 'orders/{order_id}'") from None
        for argument in sorted(template.arguments - set(parameters)):
            known = ", ".join(parameters) or "none"
            raise ToolDefinitionError(
                tool, f"path template {text!r} names {argument!r}, which is not a parameter", f"use one of: {known}"
            )
        parsed.append(template)
    return tuple(parsed)


@overload
def tool(function: Function, /) -> Function: ...
@overload
def tool(**options: Unpack[ToolOptions]) -> Callable[[Function], Function]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Unpack[ToolOptions]) -> Any:
    """Mark a function as a tool, with or without `ToolOptions`. The function itself is returned unchanged.

    A method in the body of its class is marked with its options: ``desk.book`` is the tool, for each object of the class. What
    can hold no mark, such as a bound method, is returned as a `functools.partial` of it.
    """

    def mark(function: Any) -> Any:
        # Of a method of the class or a static one, the function is marked: the class returns it without what is around it.
        inner = function.__func__ if isinstance(function, classmethod | staticmethod) else function
        if _lacks_object(inner):
            for problem, remedy in _problems(options):
                raise ToolDefinitionError(inner.__name__, problem, remedy)
            setattr(inner, _MARK, options)
            return function
        made = make_tool(inner, **options)
        with ForeignCode():
            setattr(inner, _MARK, made)
        if _mark_on(inner) is made:
            return function
        partial = functools.partial(inner)
        setattr(partial, _MARK, dataclasses.replace(made, function=partial))
        return partial

    return mark if function is None else mark(function)


def _lacks_object(function: Any) -> bool:
    """Return whether a function is a method in the body of its class, which is passed its object or class later."""
    scope = getattr(function, "__qualname__", "").rpartition(".")[0]
    if not inspect.isfunction(function) or not scope or scope.endswith("<locals>"):
        return False
    return next(iter(inspect.signature(function).parameters), "") in {"self", "cls"}


def _mark_on(function: Any) -> Tool | ToolOptions | None:
    """Return what ``@tool`` has left on a function, or on that of a method; nothing that an object has from its class."""
    holder = function.__func__ if isinstance(function, MethodType) else function
    with ForeignCode():
        found: Tool | ToolOptions | None = vars(holder).get(_MARK)
        return found
    return None


def as_tool(function: Callable[..., Any] | Tool) -> Tool:
    """Return the tool that a marked function carries, or make one of a plain function."""
    if isinstance(function, Tool):
        return function
    marked = _mark_on(function)
    if not isinstance(marked, Tool):
        return make_tool(function, **(marked or ToolOptions()))
    if marked.function is function:
        return marked
    # A wrapper copied the mark from the function that it wraps. The wrapper is what is to be called.
    parameters = Parameters(marked.name, function, marked.options.get("description"))
    return dataclasses.replace(marked, function=function, parameters_of=parameters)


def marked_options(function: Callable[..., Any]) -> ToolOptions:
    """Return the options that ``@tool`` has given a function; an empty mapping for a plain one."""
    marked = _mark_on(function)
    return marked.options if isinstance(marked, Tool) else marked or ToolOptions()


def as_tools(functions: Iterable[Callable[..., Any] | Tool]) -> dict[str, Tool]:
    """Return tools by name.

    Raises:
        ToolDefinitionError: Two of them have one name.
    """
    tools: dict[str, Tool] = {}
    for each in map(as_tool, functions):
        if each.name in tools:
            raise ToolDefinitionError(each.name, "two tools have this name", "rename one, or pass name= to @tool")
        tools[each.name] = each
    return tools
