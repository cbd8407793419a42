"""A random program: what a model calls, run by run and reply by reply, and what happens from outside meanwhile.

A `Kind` names tools and says how the arguments of each are drawn. A program is drawn as a whole before it is played, so it can
be printed: as the plain Python that makes the same calls one by one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.programs.wire import QUIRKS, as_an_object, by_the_book
from tests.random_programs import Choices

#: Steps of the longest program, and bytes of one step. A step of zero bytes is nothing, so simpler text has fewer steps.
STEPS, STEP_SIZE = 24, 8
SIZE = STEPS * STEP_SIZE
#: Seconds between two pieces of a reply; uneven numbers, so that no two ends coincide.
PAUSES = (0.0, 0.45, 1.7, 3.9)
#: Seconds that a step of a tool takes.
NAPS = (0.0, 1.0, 0.3, 2.6)
#: Replies of one run that call tools.
MOST_REPLIES = 3


@dataclass(frozen=True)
class Ref:
    """The result of an earlier call, or a part of it: the expression in Python, and with a dollar the model's reference."""

    text: str

    def __repr__(self):
        return self.text


@dataclass
class Call:
    """One tool call of the program."""

    function: Callable[..., Any]
    arguments: dict[str, Any]
    #: Its reply was cut off by the server.
    cut_off: bool = False
    #: From outside, known when the program has been played: failures that the model had seen, and a cancellation.
    seen_failures: frozenset[str] = frozenset()
    cancelled: bool = False

    @property
    def tool(self):
        return self.function.__name__


@dataclass
class Pause:
    """Time passes before the next piece of the reply."""

    seconds: float


@dataclass
class Cancel:
    """The user cancels a future."""

    future: str


@dataclass
class Await:
    """The model waits for all that is pending."""


@dataclass
class Reply:
    """One reply that calls tools."""

    actions: list[Call | Pause | Cancel | Await]
    cut_off: bool = False
    #: How the server writes its calls.
    quirk: Callable[..., Any] = by_the_book


@dataclass
class Run:
    """One prompt."""

    replies: list[Reply]
    #: The tools that are offered, by name.
    tools: Mapping[str, Callable[..., Any]]
    limit: int = 16
    #: Before it begins: continue in a fork of the conversation, or from its file.
    beginning: str = ""


@dataclass
class Program:
    """All runs of one conversation."""

    kind: "Kind"
    runs: list[Run]

    @property
    def calls(self):
        return [action for run in self.runs for reply in run.replies for action in reply.actions if is_call(action)]

    def listing(self, notes: Mapping[str, str]) -> str:
        """Return plain Python that makes the calls one by one, with a note for each call and comments on the rest."""
        lines, number = [f"from {self.kind.module} import *", "from tests.programs.one_by_one import plain", ""], 0
        for run in self.runs:
            lines.append(f"# -- a run, at most {run.limit} calls at once{run.beginning and ', in a ' + run.beginning}")
            for reply in run.replies:
                for action in reply.actions:
                    if not is_call(action):
                        lines.append(f"# {action}")
                        continue
                    number += 1
                    arguments = ", ".join(f"{name}={value!r}" for name, value in action.arguments.items())
                    note = notes.get(f"f{number}", "")
                    lines.append(f"f{number} = plain({python_name(action)})({arguments}){note and '  # ' + note}")
                end = "is cut off" if reply.cut_off else "ends"
                lines.append(f"# the reply {end}; on the wire: {reply.quirk.__name__.replace('_', ' ')}")
        return "\n".join(lines)


def is_call(action) -> bool:
    return isinstance(action, Call)


def python_name(call) -> str:
    return call.function.__qualname__


def program_of(kind, *replies, **tools):
    """Return a program of one run with these replies, each a list of actions."""
    offered = {function.__name__: function for function, _ in kind.calls} | tools
    return Program(kind, [Run([Reply(list(actions)) for actions in replies], offered)])


#: Makes one argument from the decisions and the calls so far; returns `NOT_YET` where no earlier call fits.
Draw = Callable[[Choices, Sequence[Call]], Any]
NOT_YET = object()


@dataclass(frozen=True)
class Kind:
    """Tools that belong together, with how their arguments are drawn.

    Args:
        module: Where the functions are, for the listing.
        begin: Called before each playing, overlapping or one by one: makes the state that the tools touch.
        state: Returns that state at the end, to be compared.
        calls: The functions, marked with ``@tool``; each with how each argument is drawn. The first needs no earlier call.
            One that is listed twice is drawn twice as often.
        redefined: Other versions of some of them, under the same names: each run uses one version.
        irreversible: Names of those that need every earlier call to have succeeded.
        stoppable: Names of those that change nothing before their end. Of the others a call that has begun is not cancelled:
            what it has done by then would stay.
        asks: Names of those that need approval.
        approves: The user's decision, from the arguments.
        observers: Further observers of each run.
        beginnings: Ways in which the next run may begin: in the same conversation, in a ``fork`` of it, or from its ``file``.
        same_errors: Whether the texts of exceptions are compared, too.
        in_virtual_time: Whether the clock jumps; not where other processes work.
    """

    module: str
    begin: Callable[[], None]
    state: Callable[[], Any]
    calls: Sequence[tuple[Callable[..., Any], Mapping[str, Draw]]]
    redefined: Sequence[Mapping[str, Callable[..., Any]]] = ()
    irreversible: frozenset[str] = frozenset()
    stoppable: frozenset[str] = frozenset()
    asks: frozenset[str] = frozenset()
    approves: Callable[[Mapping[str, Any]], bool] = bool
    observers: Sequence[Callable[[Any], None]] = ()
    beginnings: Sequence[str] = ("",)
    same_errors: bool = True
    in_virtual_time: bool = True


def one_of(*values) -> Draw:
    """Draw one of these values; the first is the simplest."""
    return lambda choices, _: choices.pick(values)


naps = one_of(*NAPS)


def either(*draws) -> Draw:
    """Draw in one of these ways."""
    return lambda choices, earlier: choices.pick(draws)(choices, earlier)


def result_of(*tools, steps=("",), otherwise=NOT_YET) -> Draw:
    """Draw a reference to the result of an earlier call of one of these tools, or to a part of it."""

    def draw(choices, earlier):
        found = [f"f{number}" for number, call in enumerate(earlier, start=1) if call.tool in tools]
        if not found:
            return otherwise
        return Ref(choices.pick(list(reversed(found))) + choices.pick(steps))

    return draw


def draw_program(kind: Kind, data: bytes) -> Program:
    """Make a program from bytes."""
    steps = [Choices(data[at : at + STEP_SIZE]) for at in range(0, len(data), STEP_SIZE)]
    drawing = _Drawing(kind, steps[0])
    for choices in steps[1:]:
        drawing.step(choices)
    return drawing.program()


class _Drawing:
    """A program in the making."""

    def __init__(self, kind, choices):
        self._kind, self._calls, self._runs = kind, [], []
        self._names = {function.__name__: function for function, _ in kind.calls}
        self._begin_run(choices)

    def program(self):
        for run in self._runs:
            run.replies = [reply for reply in run.replies if any(map(is_piece, reply.actions))]
        return Program(kind=self._kind, runs=[run for run in self._runs if run.replies])

    def step(self, choices):
        match choices.pick(
            (
                None,
                None,
                None,
                *("call",) * 12,
                "again",
                "pause",
                "pause",
                "end",
                "end",
                "run",
                "cut",
                "cancel",
                "await",
            )
        ):
            case "call":
                self._call(*_drawn(self._kind, choices, self._calls))
            case "again" if self._calls:
                call = choices.pick(self._calls[::-1])
                self._call(call.tool, dict(call.arguments))
            case "pause":
                self._actions.append(Pause(choices.pick(PAUSES)))
            case "cancel" if self._calls:
                self._actions.append(Cancel(f"f{len(self._calls) - choices.below(len(self._calls))}"))
            case "await" if not any(isinstance(each, Await) for each in self._actions):
                self._actions.append(Await())
            case "end":
                self._end_reply(choices)
            case "cut":
                self._end_reply(choices, cut_off=True)
            case "run":
                self._begin_run(choices)

    @property
    def _actions(self):
        return self._runs[-1].replies[-1].actions

    def _begin_run(self, choices):
        tools = {**self._names, **choices.pick(({}, *self._kind.redefined))}
        limit = choices.pick((16, 1, 2, 3))
        beginning = choices.pick(self._kind.beginnings) if self._runs else ""
        self._runs.append(
            Run(replies=[Reply([], quirk=choices.pick(QUIRKS))], tools=tools, limit=limit, beginning=beginning)
        )

    def _end_reply(self, choices, *, cut_off=False):
        replies = self._runs[-1].replies
        # More replies without anything new than this end a run: the model counts as going in circles.
        if not any(map(is_piece, replies[-1].actions)) or len(replies) == MOST_REPLIES:
            return
        replies[-1].cut_off = cut_off
        if cut_off and replies[-1].quirk is as_an_object:
            replies[-1].quirk = by_the_book  # what was cut off may have been a larger object
        for call in filter(is_call, replies[-1].actions):
            call.cut_off = cut_off
        replies.append(Reply([], quirk=choices.pick(QUIRKS)))

    def _call(self, tool, arguments):
        call = Call(self._runs[-1].tools[tool], arguments)
        self._calls.append(call)
        self._actions.append(call)


def is_piece(action) -> bool:
    """Return whether an action is something that the model writes."""
    return isinstance(action, Call | Await)


def _drawn(kind, choices, earlier):
    """Return the tool and the arguments of a new call."""
    function, draws = choices.pick(kind.calls)
    arguments = {name: draw(choices, earlier) for name, draw in draws.items()}
    if NOT_YET in arguments.values():
        function, draws = kind.calls[0]
        arguments = {name: draw(choices, earlier) for name, draw in draws.items()}
    return function.__name__, arguments
