"""Every error, word for word: its one line, its attributes, and its cuts at each limit."""

import inspect

from asyncfc_jupyter import errors
from asyncfc_jupyter.errors import (
    AgentInterrupted,
    ArgumentMismatch,
    AsyncFCError,
    BudgetSpent,
    CallError,
    CassetteDiffers,
    CassetteError,
    ExecutorBroken,
    HistoryFixed,
    InvariantBroken,
    MalformedReference,
    MissingField,
    ModelError,
    NoSuchFuture,
    NotAFraction,
    PlanError,
    ProcessEnded,
    RunStopped,
    ServerError,
    ServerLoading,
    ServerTimedOut,
    ToolCancelled,
    ToolDefinitionError,
    ToolError,
    ToolFailed,
    ToolSkipped,
    TurnLimitReached,
    UnknownFuture,
    UnknownTool,
    UsageError,
    WentInCircles,
)


def names(count, prefix="f"):
    return tuple(f"{prefix}{number}" for number in range(1, count + 1))


#: At least one of each class; those that list or cut something also at the limit and around it.
EXAMPLES = (
    AsyncFCError("the base"),
    UsageError("limit is 0; give a number of calls of at least 1."),
    ToolDefinitionError("search", "it has no docstring", "write one"),
    *(NoSuchFuture("f99", known=names(count)) for count in (0, 1, 2, 11, 12, 13)),
    PlanError(3, "  serch x  ", "there is no such word", "write search x"),
    CassetteError("the cassette talk.json cannot be read: it is empty."),
    CassetteDiffers("talk.json", request=2, where="messages[3].content", recorded='"sunny"', now='"rainy"'),
    CassetteDiffers("talk.json", request=4, where="", recorded="no further request", now=""),
    ModelError("the server sent no reply"),
    ServerError("the server is busy"),
    ServerError("the server is busy", status=429, transient=True, retry_after_s=2.5),
    ServerLoading(
        "http://127.0.0.1:8080/v1 is loading the model (503); wait until it is ready.", status=503, transient=True
    ),
    ServerTimedOut("nothing came for 60 s", transient=True),
    CallError("the run was stopped before this call began."),
    *(UnknownFuture("f99", known=names(count)) for count in (0, 1, 12, 13)),
    *(UnknownTool("serch", known=names(count, "tool_")) for count in (0, 1, 12, 13)),
    MissingField("f1.items[0]", "field 'sku'", "it has: name, price"),
    *(
        MalformedReference("order.items[0]", "<order_id" + "x" * (length - 10) + ">", "leave it")
        for length in (10, 79, 80, 81)
    ),
    MalformedReference("order", "y" * 90, 'write "$f1"'),
    ArgumentMismatch("order", ("there is no argument 'sku'",)),
    ArgumentMismatch("order", ("item is missing", "count is 'two', not a number")),
    ToolError("no value"),
    ToolFailed("f1", "order", "ValueError: sold out"),
    ToolSkipped("f2", "ship", "f1 did not succeed"),
    *(ProcessEnded(code, begun=True) for code in (None, 0, 3, -9, -11, -15, -99)),
    ProcessEnded(-6, begun=False),
    ExecutorBroken("ProcessPoolExecutor", begun=True),
    ExecutorBroken("ProcessPoolExecutor", begun=False),
    ToolCancelled("f1", "order"),
    ToolCancelled("f1", ""),
    NotAFraction("order", 40),
    NotAFraction("", "half"),
    RunStopped("the run ended"),
    BudgetSpent("turns", limit=5, used=5),
    BudgetSpent("requests", limit=3, used=3),
    BudgetSpent("tokens", limit=1000, used=1024),
    BudgetSpent("seconds", limit=2.5, used=2.5),
    TurnLimitReached(50),
    WentInCircles('order("item": "x"), await_future(f1)', replies=4),
    AgentInterrupted("the run was interrupted; finished results are kept in its futures."),
    InvariantBroken("a future is issued once", "f1 (order), done: issued, then running, then done"),
    HistoryFixed("a rule was broken."),
)


def described(error):
    kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__]
    others = [kind.__name__ for kind in type(error).__mro__ if kind in (KeyError, ValueError, UserWarning)]
    carried = "".join(f"\n    {name} = {value!r}" for name, value in sorted(vars(error).items()))
    return f"{' < '.join([*kinds, *others])}\n    {error}{carried}"


def test_every_error_has_its_listed_text_and_attributes(expected) -> None:
    classes = {each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, BaseException)}
    assert classes == {type(example) for example in EXAMPLES}
    expected("errors.txt", "\n\n".join(map(described, EXAMPLES)))


def test_a_notebook_shows_an_error_as_its_class_and_one_line() -> None:
    for error in EXAMPLES:
        if isinstance(error, AsyncFCError):
            assert error._render_traceback_() == [f"{type(error).__name__}: {error}"]  # the name that IPython asks for
            assert "\n" not in str(error)
