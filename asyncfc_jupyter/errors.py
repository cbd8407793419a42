"""The exceptions, by who broke the rule.

::

    AsyncFCError
    ├── UsageError       the caller: a wrong option, a tool that cannot be registered, no key
    │   ├── ToolDefinitionError
    │   ├── NoSuchFuture     also a KeyError
    │   ├── PlanError
    │   └── CassetteError    a file that cannot be recorded to or replayed
    │       └── CassetteDiffers
    ├── ModelError       the model or its server: refused, unreachable, or not following the protocol
    │   ├── ServerError
    │   │   ├── ServerLoading
    │   │   └── ServerTimedOut
    │   └── CallError        one tool call that cannot be made; reported to the model, never raised by a run
    │       ├── UnknownFuture
    │       ├── UnknownTool
    │       ├── MissingField
    │       ├── MalformedReference
    │       └── ArgumentMismatch
    ├── ToolError        the tool: it raised, or ran out of time
    │   ├── ToolFailed
    │   ├── ToolSkipped
    │   ├── ProcessEnded     its process died
    │   ├── ExecutorBroken   the user's executor makes no more calls
    │   ├── ToolCancelled    raised inside a tool that checks whether its call still counts
    │   └── NotAFraction     also a ValueError
    ├── RunStopped       no one: a budget or a loop ended the run, or the user did
    │   ├── BudgetSpent
    │   │   └── TurnLimitReached
    │   ├── WentInCircles
    │   └── AgentInterrupted
    └── InvariantBroken  this package: has the story of the call it concerns

Every message is one line that names the object, the rule, what was seen and how to fix it.
"""

from __future__ import annotations

from signal import Signals

from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.text import list_names, printable, truncate

#: Characters of a text that an error shows: enough to recognise it.
_TEXT_CHARACTERS = 80
#: Names that an error lists before it only counts the others: an error is one readable line.
_MOST_NAMES = 12


def _listed(names: tuple[str, ...], nothing: str) -> str:
    return list_names(names, _MOST_NAMES, len(names)) or nothing


class AsyncFCError(Exception):
    """Base of every exception this package raises on purpose. Its text shows no key, and steers no terminal."""

    def __str__(self) -> str:
        # What is not printable is removed first: it may stand in the middle of a key.
        return mask(printable(Exception.__str__(self)))  # that of a KeyError shows the message in quotes

    def __repr__(self) -> str:
        return mask(super().__repr__())

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: one clear line instead of this package's frames."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(AsyncFCError):
    """The caller asked for something that is not possible; the message says what is."""


class ToolDefinitionError(UsageError):
    """A function cannot be registered as a tool."""

    def __init__(self, tool: str, problem: str, remedy: str) -> None:
        self.tool, self.problem, self.remedy = tool, problem, remedy
        super().__init__(f"tool {tool!r}: {problem}; {remedy}.")


class NoSuchFuture(UsageError, KeyError):
    """The user asked a run for a future that it does not have."""

    def __init__(self, name: str, *, known: tuple[str, ...]) -> None:
        self.name, self.known = name, known
        super().__init__(f"there is no future {name!r}; there are: {_listed(known, 'none yet')}.")


class PlanError(UsageError):
    """A rehearsal plan is not written in the small language of the rehearsal model."""

    def __init__(self, line: int, source: str, problem: str, remedy: str) -> None:
        self.line, self.source, self.problem, self.remedy = line, source, problem, remedy
        super().__init__(f"plan, line {line}: {problem}: {source.strip()!r}; {remedy}.")


class CassetteError(UsageError):
    """A cassette cannot be written, read or replayed."""


class CassetteDiffers(CassetteError):
    """A replayed conversation differs from the recorded one."""

    def __init__(self, path: str, *, request: int, where: str, recorded: str, now: str) -> None:
        self.path, self.request, self.where, self.recorded, self.now = path, request, where, recorded, now
        place = f"{where} was {recorded} when it was recorded and is {now} now" if where else f"it has {recorded}"
        super().__init__(
            f"the conversation departs from {path} at request {request}: {place}. Values of tools that change from run to "
            "run (times, ids, random numbers) cause this: make them constant, or record again (--record)."
        )


class ModelError(AsyncFCError):
    """The model or its server did not follow the protocol."""


class ServerError(ModelError):
    """The model's server could not be reached, refused the request, or broke off its reply.

    Attributes:
        status: The HTTP status code; None if no response came at all, or if the reply had begun.
        transient: Whether the same request may succeed later: after a rate limit, a failing or busy server, a lost connection.
        retry_after_s: Seconds to wait before a retry, as the server asks; None if it does not say.
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


class ServerLoading(ServerError):
    """The model's server loads its model, and answers when it is ready."""


class ServerTimedOut(ServerError):
    """The model's server sent nothing for too long. It is busy or hangs; an immediate retry would not help."""


class CallError(ModelError):
    """One tool call of the model cannot be made. The error becomes that call's result; the run continues."""

    __str__ = Exception.__str__  # it quotes the model to the model, which must recognise its own words


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
        where: The path of the object, such as ``f1.items[0]``.
        step: What it does not have, such as ``field 'sku'``.
        has: What it has instead, such as ``it has: name, price``.
    """

    def __init__(self, where: str, step: str, has: str) -> None:
        self.where, self.step, self.has = where, step, has
        super().__init__(f"{where} has no {step}; {has}")


class MalformedReference(CallError):
    """A text seems to mean a reference, but is not written as one.

    Attributes:
        argument: The argument's name with the path inside it, such as ``order.items[0]``.
        text: What the model wrote.
        remedy: What to write instead.
    """

    def __init__(self, argument: str, text: str, remedy: str) -> None:
        self.argument, self.text, self.remedy = argument, text, remedy
        super().__init__(
            f"argument {argument!r} is {truncate(text, _TEXT_CHARACTERS)!r}, which is not a reference; {remedy}."
        )


class ArgumentMismatch(CallError):
    """The arguments do not fit the tool's signature."""

    def __init__(self, tool: str, problems: tuple[str, ...]) -> None:
        self.tool, self.problems = tool, problems
        super().__init__(f"{tool} cannot take these arguments: {'; '.join(problems)}.")


class ToolError(AsyncFCError):
    """A tool call did not produce a value."""


class ToolFailed(ToolError):
    """A tool raised or ran out of time. ``Future.result()`` raises this error, a run never does."""

    def __init__(self, future: str, tool: str, message: str) -> None:
        self.future, self.tool, self.message = future, tool, message
        super().__init__(f"{future} ({tool}) failed: {message}")


class ToolSkipped(ToolError):
    """A call was not made, because a call that it needed failed or because the run was stopped."""

    def __init__(self, future: str, tool: str, message: str) -> None:
        self.future, self.tool, self.message = future, tool, message
        super().__init__(f"{future} ({tool}): {message}")


#: What mostly ends a process by a signal.
_CAUSES = {
    "SIGKILL": "as the system does when memory runs out",
    **dict.fromkeys(("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"), "a crash of compiled code"),
}


class ProcessEnded(ToolError):
    """The process that made a call died. Only this call is concerned: each has a process of its own.

    Attributes:
        exit_code: As in `multiprocessing`: the negative number of a signal that ended it; None if the system does not say.
        begun: Whether the call may have had effects.
    """

    def __init__(self, exit_code: int | None, *, begun: bool) -> None:
        self.exit_code, self.begun = exit_code, begun
        how = "" if exit_code is None else f" with exit code {exit_code}"
        if exit_code is not None and exit_code < 0:
            name = next((each.name for each in Signals if each == -exit_code), f"signal {-exit_code}")
            how = f" by {name}" + (f" ({_CAUSES[name]})" if name in _CAUSES else "")
        done = "before the function returned; what it had done by then stays" if begun else "before the call began"
        super().__init__(
            f"its process ended{how} {done}. Other calls are not affected, and the next has a new process."
        )


class ExecutorBroken(ToolError):
    """An executor of the user's own cannot make calls any more, since a process or thread of it died.

    Attributes:
        begun: Whether the call may have had effects.
    """

    def __init__(self, executor: str, *, begun: bool) -> None:
        self.executor, self.begun = executor, begun
        done = (
            "a worker of it died, in this call or in another, so this call may have had effects or may not have begun"
            if begun
            else "this call has not begun"
        )
        super().__init__(
            f"the {executor} of run_in is broken, and makes no more calls; {done}. Make a new executor and the tool with it, "
            'or use run_in="process", where each call has a process of its own.'
        )


class ToolCancelled(ToolError):
    """A call no longer counts; ``ToolContext.check()`` raises this error inside the call's function."""

    def __init__(self, future: str, tool: str) -> None:
        self.future, self.tool = future, tool
        call = f"{future} ({tool})" if tool else "this call"
        super().__init__(
            f"{call} was cancelled or ran out of time, and what it returns is discarded; "
            "release all resources and let this exception propagate."
        )


class NotAFraction(ToolError, ValueError):
    """A tool reported progress that is not a number from 0 to 1."""

    def __init__(self, tool: str, fraction: object) -> None:
        self.tool, self.fraction = tool, fraction
        super().__init__(
            f"{tool or 'a tool'} reported progress {fraction!r}, which is not a number from 0 to 1; "
            "write 0.4 for 40 %, or None if it is not known."
        )


class RunStopped(AsyncFCError):
    """A run ended before its answer. Finished results are kept."""


#: How the user raises each limit: in a script, and in a notebook.
_OPTIONS = {
    "turns": "max_turns (--max-turns)",
    "requests": "Budget(requests=...) (--max-requests)",
    "tokens": "Budget(tokens=...) (--max-tokens)",
    "seconds": "Budget(seconds=...) (--max-seconds)",
}


class BudgetSpent(RunStopped):
    """A run has spent one of its budgets.

    Attributes:
        budget: ``turns``, ``requests``, ``tokens`` or ``seconds``.
        limit: The budget.
        used: The amount that the run has used.
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
    """The model repeated itself, reply after reply, without any new result."""

    def __init__(self, repeated: str, *, replies: int) -> None:
        self.repeated, self.replies = repeated, replies
        super().__init__(
            f"the model goes in circles: its last {replies} replies brought nothing new, the last with {repeated}. "
            "Results so far are kept in run.futures. Change the prompt, fix the tool that it fails to use, or use another "
            "model."
        )


class AgentInterrupted(RunStopped):
    """The user interrupted the run."""


class InvariantBroken(AsyncFCError):
    """A rule of this package does not hold: a bug, with the story needed to reproduce it."""

    def __init__(self, rule: str, story: str) -> None:
        self.rule, self.story = rule, story
        super().__init__(f"this is a bug in asyncfc_jupyter, please report it: {rule}. Story: {story}")


class HistoryFixed(UserWarning):
    """The messages of a conversation broke a rule of this package. They were fixed, and the run continues."""

    def __init__(self, broken: str) -> None:
        super().__init__(f"{broken} The messages were fixed, and the run continues.")
