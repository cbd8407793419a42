"""Tools in threads that redirect their output or collect their warnings: state of the whole process, which others use too."""

import contextlib
import io
import sys
import warnings

from asyncfc_jupyter import tool
from tests.programs.program import Kind, either, naps, one_of, result_of
from tests.programs.time import nap, nap_in_thread


class World:
    """The streams as they were."""

    streams = ()
    warnings = ()


def begin():
    World.streams = sys.stdout, sys.stderr
    World.warnings = list(warnings.filters), warnings.showwarning


def state():
    """Return whether all is as it was; undo the changes for the next program."""
    same = (sys.stdout, sys.stderr) == World.streams, (list(warnings.filters), warnings.showwarning) == World.warnings
    sys.stdout, sys.stderr = World.streams
    warnings.filters[:], warnings.showwarning = World.warnings
    return same


@tool(pure=True)
def report(name: str, nap_s: float) -> str:
    """Return what a library prints."""
    buffer = io.StringIO()
    with contextlib.redirect_stdout(buffer):
        print("begin", name)
        nap_in_thread(nap_s)
        print("end", name)
    return buffer.getvalue()


@tool(pure=True)
def both(name: str, nap_s: float) -> list:
    """Return what a library prints to both streams, one redirection within another."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out):
        print("out", name)
        nap_in_thread(nap_s)
        with contextlib.redirect_stderr(err):
            print("err", name, file=sys.stderr)
            nap_in_thread(nap_s)
            print("out and err", name)
    return [out.getvalue(), err.getvalue()]


@tool(pure=True)
def fails(name: str, nap_s: float) -> str:
    """Raise within the redirection."""
    with contextlib.redirect_stdout(io.StringIO()) as buffer:
        print("never seen", name)
        nap_in_thread(nap_s)
        raise ValueError(buffer.getvalue().strip())


@tool(pure=True)
def warns(name: str, nap_s: float) -> list:
    """Return the warnings of a library."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn(f"first {name}", UserWarning, stacklevel=2)
        nap_in_thread(nap_s)
        warnings.warn(f"second {name}", UserWarning, stacklevel=2)
    return [str(each.message) for each in caught]


@tool(pure=True)
async def on_loop(name: str) -> str:
    """Redirect on the event loop, without a pause."""
    with contextlib.redirect_stdout(io.StringIO()) as buffer:
        print("on the loop", name)
    await nap(0)
    return buffer.getvalue()


name = either(one_of("a", "b", "c"), result_of("report", otherwise="a"))

KIND = Kind(
    module=__name__,
    begin=begin,
    state=state,
    calls=(
        (report, {"name": name, "nap_s": naps}),
        (both, {"name": name, "nap_s": naps}),
        (on_loop, {"name": name}),
        (fails, {"name": name, "nap_s": naps}),
        (warns, {"name": name, "nap_s": naps}),
        (report, {"name": name, "nap_s": naps}),
    ),
    stoppable=frozenset({"report", "both", "fails", "warns", "on_loop"}),
)
