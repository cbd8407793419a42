"""The exceptions, by who broke the rule.

::

    AsyncFCError
    ├── UsageError       the caller: a wrong option, a tool that cannot be registered, no key
    │   ├── ToolDefinitionError
    │   ├── NoSuchFuture     also a KeyError
    │   ├── PlanError
    │   └── CassetteError    a file that cannot be recorded to or replayed
    │       └── CassetteDiffers
    ├── ModelError       the model or its server: refused, unreachable, or speaking nonsense
    │   ├── ServerError
    │   │   └── ServerTimedOut
    │   └── CallError        one tool call that cannot be made; fed back to the model, never raised out of a run
    │       ├── UnknownFuture
    │       ├── UnknownTool
    │       ├── MissingField
    │       ├── MalformedReference
    │       └── ArgumentMismatch
    ├── ToolError        the tool: it raised, or ran out of time
    │   ├── ToolFailed
    │   ├── ToolSkipped
    │   ├── ToolCancelled    raised inside a tool that asks whether to go on
    │   └── NotAFraction     also a ValueError
    ├── RunStopped       nobody: a budget or a loop ended the run, or the person did
    │   ├── BudgetSpent
    │   │   └── TurnLimitReached
    │   ├── WentInCircles
    │   └── AgentInterrupted
    └── InvariantBroken  us: carries the story of the call it concerns

Every message is one line that names the object, the rule, what was seen and the way out.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from asyncfc_jupyter.text import list_names, truncate

#: What an error shows of a text, in characters: enough to recognise it.
_TEXT_CHARACTERS = 80
#: Names listed in an error before the rest is only counted: an error is one readable line.
_MOST_NAMES = 12


def _listed(names: tuple[str, ...], nothing: str) -> str:
    return list_names(names, _MOST_NAMES, len(names)) or nothing


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


class CassetteError(UsageError):
    """A cassette cannot be written, read or played."""


class CassetteDiffers(CassetteError):
    """A replayed conversation departs from the recorded one."""

    def __init__(self, path: str, *, request: int, where: str, recorded: str, now: str) -> None:
        self.path, self.request, self.where, self.recorded, self.now = path, request, where, recorded, now
        place = f"{where} was {recorded} when it was recorded and is {now} now" if where else f"it has {recorded}"
        super().__init__(
            f"the conversation departs from {path} at request {request}: {place}. Values of tools that change from run to "
            "run (times, ids, chance) do that: hold them still, or record again (--record)."
        )


class ModelError(AsyncFCError):
    """The model or its server broke the protocol."""


class ServerError(ModelError):
    """The model's server could not be reached, refused the request, or broke off in the middle of its reply.

    Attributes:
        status: The HTTP status code, or None when no answer came at all, or when the reply had begun.
        transient: Whether the same request may well succeed later: a rate limit, a failing or busy server, a line that broke.
        retry_after_s: Seconds that the server asked to wait for before it is asked again; None when it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        transient: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        self.status, self.transient, self.retry_after_s = status, transient, retry_after_s
        super().__init__(message)


class ServerTimedOut(ServerError):
    """The model's server sent nothing for too long. It is busy or hangs: asking again at once makes neither better."""


class CallError(ModelError):
    """One tool call of the model cannot be made. It becomes that call's result; the run goes on."""


class UnknownFuture(CallError):
    """A tool call named a future that no earlier call in this conversation produced."""

    def __init__(self, name: str, *, known: tuple[str, ...]) -> None:
        self.name, self.known = name, known
        listed = _listed(known, "none yet")
        super().__init__(
            f"no earlier call of this conversation produced {name} (known: {listed}), and futures belong to the conversation "
            f'they were made in; pass one of those, a value, or "$${name}" if the text ${name} itself is meant.'
        )


class UnknownTool(CallError):
    """A tool call named a tool that was not offered."""

    def __init__(self, name: str, *, known: tuple[str, ...]) -> None:
        self.name, self.known = name, known
        super().__init__(f"there is no tool {name!r}; the tools are: {_listed(known, 'none')}.")


class MissingField(CallError):
    """A reference asked a result for a field, key or item that it does not have.

    Attributes:
        where: The way to the object that was asked, such as ``f1.items[0]``.
        step: What it was asked for, such as ``field 'sku'``.
        has: What it has instead, such as ``it has: name, price``.
    """

    def __init__(self, where: str, step: str, has: str) -> None:
        self.where, self.step, self.has = where, step, has
        super().__init__(f"{where} has no {step}; {has}")


class MalformedReference(CallError):
    """Text stands where a value belongs and looks like a reference to one, but is none.

    Attributes:
        argument: The argument's name, with the way inside it, such as ``order.items[0]``.
        text: What the model wrote.
        remedy: What to write instead.
    """

    def __init__(self, argument: str, text: str, remedy: str) -> None:
        self.argument, self.text, self.remedy = argument, text, remedy
        super().__init__(
            f"argument {argument!r} is {truncate(text, _TEXT_CHARACTERS)!r}, which is not a reference; {remedy}."
        )


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


class ToolCancelled(ToolError):
    """Nobody waits for a call any more; raised inside its function by ``ToolContext.check()``."""

    def __init__(self, future: str, tool: str) -> None:
        self.future, self.tool = future, tool
        call = f"{future} ({tool})" if tool else "this call"
        super().__init__(
            f"{call} was cancelled or ran out of time, and what it returns is discarded; "
            "release what you hold and let this exception through."
        )


class NotAFraction(ToolError, ValueError):
    """A tool reported progress that is not a number from 0 to 1."""

    def __init__(self, tool: str, fraction: object) -> None:
        self.tool, self.fraction = tool, fraction
        super().__init__(
            f"{tool or 'a tool'} reported progress {fraction!r}, which is no number from 0 to 1; "
            "write 0.4 for 40 %, or None where it is not known."
        )


class RunStopped(AsyncFCError):
    """A run ended before its answer; finished results are kept."""


#: Where the person raises each limit: in a script, and in a notebook.
_OPTIONS = {
    "turns": "max_turns (--max-turns)",
    "requests": "Budget(requests=...) (--max-requests)",
    "tokens": "Budget(tokens=...) (--max-tokens)",
    "seconds": "Budget(seconds=...) (--max-seconds)",
}


class BudgetSpent(RunStopped):
    """A run has spent what it was given.

    Attributes:
        budget: Which: ``turns``, ``requests``, ``tokens`` or ``seconds``.
        limit: What it was given.
        used: What it has used.
    """

    def __init__(self, budget: str, *, limit: float, used: float) -> None:
        self.budget, self.limit, self.used = budget, limit, used
        super().__init__(
            f"the model has not answered within {limit:g} {budget} ({used:g} used); its results so far are kept in "
            f"run.futures. Raise {_OPTIONS[budget]} or ask for less."
        )


class TurnLimitReached(BudgetSpent):
    """The model used up its turns without answering."""

    def __init__(self, max_turns: int) -> None:
        self.max_turns = max_turns
        super().__init__("turns", limit=max_turns, used=max_turns)


class WentInCircles(RunStopped):
    """The model repeated itself, reply after reply, and learned nothing new by it."""

    def __init__(self, repeated: str, *, replies: int) -> None:
        self.repeated, self.replies = repeated, replies
        super().__init__(
            f"the model goes in circles: its last {replies} replies brought nothing new, the last with {repeated}. "
            "Results so far are kept in run.futures. Put the request in other words, mend the tool that it stumbles over, "
            "or use another model."
        )


class AgentInterrupted(RunStopped):
    """The person interrupted the run."""


class InvariantBroken(AsyncFCError):
    """A rule of ours does not hold: a bug of this package, with the story needed to reproduce it."""

    def __init__(self, rule: str, story: str) -> None:
        self.rule, self.story = rule, story
        super().__init__(f"this is a bug in asyncfc_jupyter, please report it: {rule}. Story: {story}")


class HistoryMended(UserWarning):
    """A rule of ours did not hold for the messages of a conversation; they were mended, and the run goes on."""

    def __init__(self, broken: str) -> None:
        super().__init__(f"{broken} The messages were mended, and the run goes on.")


def nearest(word: str, known: Sequence[str]) -> str:
    """Return ``; did you mean X?`` for the nearest known word, or for two that are both very near; or nothing."""
    found = difflib.get_close_matches(word, known, n=2, cutoff=0.8) or difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {' or '.join(found)}?" if found else ""
