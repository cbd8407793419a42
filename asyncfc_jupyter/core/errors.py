"""The exceptions, by who broke the rule.

::

    AsyncFCError
    ├── UsageError       the caller: a wrong option, a tool that cannot be registered, no key
    │   ├── ToolDefinitionError
    │   ├── NoSuchFuture     also a KeyError
    │   └── PlanError
    ├── ModelError       the model or its server: refused, unreachable, or speaking nonsense
    │   ├── ServerError
    │   └── CallError        one tool call that cannot be made; fed back to the model, never raised out of a run
    │       ├── UnknownFuture
    │       ├── UnknownTool
    │       ├── MissingField
    │       ├── LookAlike
    │       └── ArgumentMismatch
    ├── ToolError        the tool: it raised, or ran out of time
    │   ├── ToolFailed
    │   └── ToolSkipped
    ├── RunStopped       nobody: a budget ended the run, or the person did
    │   ├── TurnLimitReached
    │   └── AgentInterrupted
    └── InvariantBroken  us: carries the story of the call it concerns

Every message is one line that names the object, the rule, what was seen and the way out.
"""

from __future__ import annotations

#: Names listed in an error before the rest is only counted: an error is one readable line.
_MOST_NAMES = 12


def _listed(names: tuple[str, ...], nothing: str) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > _MOST_NAMES else ""
    return (", ".join(names[:_MOST_NAMES]) or nothing) + more


class AsyncFCError(Exception):
    """Base of every exception this package raises on purpose."""

    def _render_traceback_(self) -> list[str]:
        """Show one clear line in IPython instead of our frames."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(AsyncFCError):
    """The caller asked for something that cannot be done; the message says what can."""


class ToolDefinitionError(UsageError):
    """A function cannot be registered as a tool."""

    def __init__(self, tool: str, problem: str, remedy: str) -> None:
        self.tool, self.problem, self.remedy = tool, problem, remedy
        super().__init__(f"tool {tool!r}: {problem}; {remedy}.")


class NoSuchFuture(UsageError, KeyError):
    """The person asked a run for a future that it does not have."""

    __str__ = Exception.__str__  # a KeyError would show the message in quotes

    def __init__(self, name: str, *, known: tuple[str, ...]) -> None:
        self.name, self.known = name, known
        super().__init__(f"there is no future {name!r}; there are: {_listed(known, 'none yet')}.")


class PlanError(UsageError):
    """A rehearsal plan is not in the small language that the rehearsal model speaks."""

    def __init__(self, line: int, source: str, problem: str, remedy: str) -> None:
        self.line, self.source, self.problem, self.remedy = line, source, problem, remedy
        super().__init__(f"plan, line {line}: {problem}: {source.strip()!r}; {remedy}.")


class ModelError(AsyncFCError):
    """The model or its server broke the protocol."""


class ServerError(ModelError):
    """The model's server could not be reached, or refused the request.

    Attributes:
        status: The HTTP status code, or None when no answer came at all.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class CallError(ModelError):
    """One tool call of the model cannot be made. It becomes that call's result; the run goes on."""


class UnknownFuture(CallError):
    """A tool call named a future that no earlier call in this conversation produced."""

    def __init__(self, name: str, *, known: tuple[str, ...]) -> None:
        self.name, self.known = name, known
        listed = _listed(known, "none yet")
        super().__init__(f"no earlier call produced ${name} (known: {listed}); pass a known future or a literal value.")


class UnknownTool(CallError):
    """A tool call named a tool that was not offered."""

    def __init__(self, name: str, *, known: tuple[str, ...]) -> None:
        self.name, self.known = name, known
        super().__init__(f"there is no tool {name!r}; the tools are: {_listed(known, 'none')}.")


class MissingField(CallError):
    """A reference asked a result for a field, key or index that it does not have."""

    def __init__(self, where: str, step: str, has: str) -> None:
        self.where, self.step, self.has = where, step, has
        super().__init__(f"{where} has no {step}; it has: {has}")


class LookAlike(CallError):
    """A string stands where a value belongs and looks like a reference, but is not one."""

    def __init__(self, argument: str, text: str, right_form: str) -> None:
        self.argument, self.text, self.right_form = argument, text, right_form
        super().__init__(f"argument {argument!r} is {text!r}, which is not a reference; write {right_form}.")


class ArgumentMismatch(CallError):
    """The arguments do not fit the tool's own signature."""

    def __init__(self, tool: str, problems: tuple[str, ...]) -> None:
        self.tool, self.problems = tool, problems
        super().__init__(f"{tool} cannot take these arguments: {'; '.join(problems)}.")


class ToolError(AsyncFCError):
    """A tool call did not produce a value."""


class ToolFailed(ToolError):
    """A tool raised or ran out of time; raised by ``Future.result()``, never out of a run."""

    def __init__(self, future: str, tool: str, message: str) -> None:
        self.future, self.tool, self.message = future, tool, message
        super().__init__(f"{future} ({tool}) failed: {message}")


class ToolSkipped(ToolError):
    """A call was not made, because one that it needed failed or because the run was stopped."""

    def __init__(self, future: str, tool: str, message: str) -> None:
        self.future, self.tool, self.message = future, tool, message
        super().__init__(f"{future} ({tool}): {message}")


class RunStopped(AsyncFCError):
    """A run ended before its answer; finished results are kept."""


class TurnLimitReached(RunStopped):
    """The model used up its turns without answering."""

    def __init__(self, max_turns: int) -> None:
        self.max_turns = max_turns
        super().__init__(
            f"the model has not answered after {max_turns} turns; its results so far are kept in run.futures. "
            "Raise max_turns (--max-turns) or ask for less."
        )


class AgentInterrupted(RunStopped):
    """The person interrupted the run."""


class InvariantBroken(AsyncFCError):
    """A rule of ours does not hold: a bug of this package, with the story needed to reproduce it."""

    def __init__(self, rule: str, story: str) -> None:
        self.rule, self.story = rule, story
        super().__init__(f"this is a bug in asyncfc_jupyter, please report it: {rule}. Story: {story}")
