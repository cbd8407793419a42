"""Questions to the user by a line of input: one at a time, so that each answer reaches the call that asked.

Two threads that wait for a line at the same time get each other's. So a question waits for its turn, which lasts from the
question to its answer. A call in a thread waits there, and the event loop continues; on the loop, ``input`` blocks as always. A
call that is abandoned while it waits leaves the queue. One that is abandoned while it asks is stopped where the wait can be
interrupted, as in a kernel (`jupyter.session.kernel_input`). In a terminal nothing can stop it, and the next line that the user
types is the end of its question.

In a notebook the kernel's own function takes turns. Elsewhere ``input`` and ``getpass.getpass`` are replaced while calls run.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import getpass
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from asyncfc_jupyter.errors import ToolCancelled
from asyncfc_jupyter.runtime.running_call import RunningCall, running_call

#: Seconds between two looks at whether a call that waits was abandoned: soon for a user, and no load.
LOOK_S = 0.05


def check(call: RunningCall | None) -> None:
    """Return if the answer to a question is still waited for.

    Raises:
        ToolCancelled: The call that asks was abandoned.
    """
    if call is not None and call.abandoned:
        raise ToolCancelled(call.future, call.tool)


class InputTurns:
    """Lets one question at a time be asked, in the whole process."""

    def __init__(self) -> None:
        # The thread that asks may ask again meanwhile, in a hook for example.
        self._lock = threading.RLock()
        #: The prompts of those who ask or wait for their turn.
        self.prompts: list[str] = []
        #: Whether the functions of Python are left alone, since those of a kernel take turns.
        self.kernel_asks = False
        self._replaced: list[tuple[ModuleType, str, Any, Any]] = []
        #: By function, the one that takes turns, made once: calls that follow each other begin and end as often.
        self._in_turns: dict[Callable[..., str], Callable[..., str]] = {}

    @contextlib.contextmanager
    def turn(self, prompt: str) -> Iterator[str]:
        """Wait for the turn, and yield the prompt to show: with the name of the call if another asks in the same words.

        Raises:
            ToolCancelled: The call was abandoned while it waited.
        """
        call = running_call()
        others = self.prompts.count(prompt)
        self.prompts.append(prompt)
        try:
            while not self._lock.acquire(timeout=LOOK_S):
                check(call)
            try:
                check(call)
                ambiguous = others > 0 or self.prompts.count(prompt) > 1
                yield f"{call.label}: {prompt}" if call is not None and ambiguous else prompt
            finally:
                self._lock.release()
        finally:
            self.prompts.remove(prompt)

    def begin(self) -> None:
        """Let ``input`` and ``getpass`` take turns."""
        if not self.kernel_asks:
            for module, name in ((builtins, "input"), (getpass, "getpass")):
                original = getattr(module, name)
                if original not in self._in_turns:
                    self._in_turns[original] = self._in_turn(original)
                self._replaced.append((module, name, original, self._in_turns[original]))
        for module, name, _, replacement in self._replaced:
            setattr(module, name, replacement)

    def end(self) -> None:
        """Restore them, unless others have replaced them since."""
        while self._replaced:
            module, name, original, replacement = self._replaced.pop()
            if getattr(module, name) is replacement:
                setattr(module, name, original)

    def _in_turn(self, original: Callable[..., str]) -> Callable[..., str]:
        @functools.wraps(original)
        def asks(*args: Any, **options: Any) -> str:
            call = running_call()
            if call is not None and "sys.stdin" in call.own:
                return original(*args, **options)  # from a stream of its own, not from the user
            prompt = str(args[0] if args else options.get("prompt", ""))
            with self.turn(prompt) as shown:
                if shown != prompt:
                    args, options = (shown, *args[1:]), {key: options[key] for key in options if key != "prompt"}
                return original(*args, **options)

        return asks


#: One for this process, as its user is.
TURNS = InputTurns()
