"""Asks the user of a notebook for a line of input, one question at a time.

A kernel reads answers in the thread that asks. Two that ask at the same time take each other's, and a question whose call was
cancelled takes the answer to a later one, since its thread waits for ever. So the kernel's function is replaced by one that
waits for its turn, that ends when its call is abandoned, and that refuses an answer which the front end marks as one to a
question that was withdrawn.
"""

from __future__ import annotations

import sys
from typing import Any

from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.runtime.input_turns import LOOK_S, TURNS, check
from asyncfc_jupyter.runtime.running_call import running_call

#: What a front end sends for the end of input.
_END_OF_INPUT = "\x04"


class KernelInput:
    """Replaces a kernel's function that asks for a line of input; it has the same parameters.

    Args:
        kernel: The kernel.
    """

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        #: The ids of questions that were withdrawn, in a session only as many as the user left unanswered.
        self._withdrawn: set[str] = set()

    def __call__(self, prompt: str, ident: Any, parent: Any, password: bool = False) -> str:  # noqa: FBT001 - as the kernel's
        """Ask, and return the user's line."""
        with TURNS.turn(prompt) as shown:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            call = running_call()
            if call is not None and call.printed is not None:
                call.printed.note(f"{prompt}\n", "stdout")  # shows which call asks
            socket, session = self._kernel.stdin_socket, self._kernel.session
            while socket.poll(0):
                socket.recv_multipart()  # too late
            content = {"prompt": shown if call is None else mask(shown), "password": password}
            asked = session.send(socket, "input_request", content, parent, ident=ident)["header"]["msg_id"]
            try:
                value = self._answer()
            except KeyboardInterrupt:
                self._withdrawn.add(asked)
                raise KeyboardInterrupt("Interrupted by user") from None
            except BaseException:
                self._withdrawn.add(asked)
                raise
        if value == _END_OF_INPUT:
            raise EOFError
        return value

    def _answer(self) -> str:
        call = running_call()
        while True:
            check(call)
            if not self._kernel.stdin_socket.poll(1000 * LOOK_S):
                continue
            try:
                _, reply = self._kernel.session.recv(self._kernel.stdin_socket)
            except (TypeError, ValueError):  # a wrong signature, say: it is no answer
                self._kernel.log.warning("Invalid message on stdin", exc_info=True)
                continue
            if reply is None:
                continue
            to = reply["parent_header"].get("msg_id")
            if to not in self._withdrawn:
                return str(reply["content"].get("value", ""))
            self._withdrawn.discard(to)


def take_turns(kernel: Any) -> None:
    """Let the questions of a kernel take turns from now on. A kernel of another kind than IPython's is left as it is."""
    if hasattr(kernel, "_input_request") and "_input_request" not in vars(kernel):
        kernel._input_request = KernelInput(kernel)  # noqa: SLF001 - the one function that asks, for `input` and `getpass`
        TURNS.kernel_asks = True


def leave_turns(kernel: Any) -> None:
    """Restore the kernel's own function."""
    if vars(kernel).pop("_input_request", None) is not None:
        TURNS.kernel_asks = False
