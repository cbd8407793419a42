"""The guard around foreign code keeps whatever it raises, and lets the user's interrupt pass."""

import asyncio
import functools
import signal
import threading
import time

import pytest

from asyncfc_jupyter.foreign_code import ForeignCode, plain_text, text_of, traceback_of, type_name


def own(*_):
    raise KeyboardInterrupt


def interrupted():
    signal.raise_signal(signal.SIGINT)
    time.sleep(0)


def interrupted_in_a_clean_up():
    try:
        interrupted()
    finally:
        time.sleep(0)


def passed_on():
    try:
        interrupted()
    except KeyboardInterrupt:
        raise


class Presses:
    """A handler of the kind that the notebook installs."""

    def __call__(self, _signum, _frame):
        raise KeyboardInterrupt("pressed")


@pytest.mark.parametrize(
    "error", [ValueError, SystemExit, asyncio.CancelledError, GeneratorExit, StopIteration, BaseException]
)
def test_whatever_the_code_raises_is_kept(error) -> None:
    with ForeignCode() as ran:
        raise error("why")
    assert (type(ran.error), ran.raised) == (error, error.__name__)


def test_code_that_raises_nothing_has_no_error() -> None:
    with ForeignCode() as ran:
        pass
    assert (ran.error, ran.raised) == (None, "")


def test_an_interrupt_that_the_code_raises_itself_is_kept() -> None:
    with ForeignCode() as ran:
        own()
    assert ran.raised == "KeyboardInterrupt"


@pytest.mark.parametrize("code", [interrupted, interrupted_in_a_clean_up, passed_on])
@pytest.mark.parametrize("handler", [signal.default_int_handler, Presses(), functools.partial(Presses().__call__)])
def test_an_interrupt_of_a_signal_passes(code, handler) -> None:
    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(KeyboardInterrupt), ForeignCode():
            code()
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interrupt_in_another_thread_is_of_the_code() -> None:
    kept = []

    def work():
        with ForeignCode() as ran:
            generator = (each for each in ())
            generator.throw(KeyboardInterrupt)
        kept.append(ran.raised)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert kept == ["KeyboardInterrupt"]


class Meta(type):
    __name__ = property(own)


class Odd(Exception, metaclass=Meta):
    __traceback__ = property(own)
    __str__ = own


class Text(str):
    __slots__ = ()
    __str__ = __len__ = __format__ = __getitem__ = __eq__ = own
    __hash__ = str.__hash__


def test_names_texts_and_tracebacks_are_read_without_code_of_the_object() -> None:
    assert (type_name(Odd()), traceback_of(Odd())) == ("Odd", None)
    assert text_of(Odd()) == "its text raised KeyboardInterrupt"
    assert type(plain_text(Text("text"))) is str
    assert plain_text(Text("text")) == "text"
