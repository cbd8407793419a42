"""Attributes of modules that each call may set for itself while others run, such as ``sys.stdout``.

Theory of operation
-------------------
``redirect_stdout`` sets ``sys.stdout`` and later restores what it found there. If two calls overlap, the second finds the
buffer of the first, and restores it when the first has long ended: from then on the notebook prints into that buffer. The same
holds for ``warnings.catch_warnings``, and for every other save and restore of an attribute.

So while calls run, an attribute has the process' own value and one for each call that has set it. Who reads or sets it in a
call's context, or in a thread that the call started, reads or sets the value of that call. No call can change the process' own
value, also not long after it was abandoned; and what a call leaves set ends with it.

Code reaches an attribute in two ways. ``sys.stdout`` asks the module: its class is replaced by a subclass with a property.
``print``, written in C, and the module's own functions ask its dictionary: as soon as a call has a value of its own, the
dictionary holds a `StandIn`, which passes everything on to the value for the code that uses it.

Refused: replacing the methods of ``redirect_stdout`` and its relatives, since many libraries have their own; and restoring the
values after the last call, which leaves the output of one call in the buffer of another until then.
"""

from __future__ import annotations

import importlib
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from asyncfc_jupyter.runtime.running_call import RunningCall, running_call

#: What libraries replace for a while. ``displayhook`` belongs to IPython's ``capture_output`` and to doctest, ``argv`` to those
#: who call the main function of a program, and those of `warnings` to ``catch_warnings``.
ATTRIBUTES: tuple[tuple[ModuleType, tuple[str, ...]], ...] = (
    (sys, ("stdin", "stdout", "stderr", "displayhook", "argv")),
    (warnings, ("filters", "showwarning", "_showwarnmsg_impl")),
)


class StandIn:
    """Passes everything on to the value for the code that uses it.

    Args:
        value: Returns that value.
    """

    def __init__(self, value: Callable[[], Any]) -> None:
        vars(self)["_value"] = value

    def __getattr__(self, name: str) -> Any:
        value = vars(self)["_value"]()
        if value is None and name in {"write", "flush"}:
            return lambda *_: None  # a process without a stream: ``print`` does nothing there
        return getattr(value, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)["_value"](), name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: D102 - as the value's
        return vars(self)["_value"]()(*args, **kwargs)

    def __iter__(self) -> Iterator[Any]:
        return iter(vars(self)["_value"]())

    def __len__(self) -> int:
        return len(vars(self)["_value"]())

    def __contains__(self, item: object) -> bool:
        return item in vars(self)["_value"]()

    def __getitem__(self, key: Any) -> Any:
        return vars(self)["_value"]()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        vars(self)["_value"]()[key] = value

    def __delitem__(self, key: Any) -> None:
        del vars(self)["_value"]()[key]

    def __repr__(self) -> str:
        return repr(vars(self)["_value"]())


class Attribute:
    """One attribute of a module: the process' own value, and those that calls have set for themselves.

    Args:
        module: The module, which has the attribute.
        name: Its name there.
        assigned: Called when code outside of calls has set it, with the new value.
    """

    def __init__(self, module: ModuleType, name: str, assigned: Callable[[Any], None]) -> None:
        self.name = f"{module.__name__}.{name}"
        self._dictionary, self._key, self._assigned = vars(module), name, assigned
        # Code that restores a value may run inside: a signal handler, or a generator that the garbage collector closes.
        self._lock = threading.RLock()
        self._stand_in = StandIn(self.get)
        self._shared: Any = None

    @property
    def shared(self) -> Any:
        """The process' own value."""
        value = self._dictionary[self._key]
        return self._shared if value is self._stand_in else value

    def get(self) -> Any:
        """Return the value for the code that asks."""
        call = running_call()
        own = None if call is None else call.own.get(self.name)
        return own[-1] if own else self.shared

    def set(self, value: Any) -> None:
        """Set the value for the code that asks."""
        call = running_call()
        with self._lock:
            if call is not None:
                self._set_own(call, value)
                return
            if value is self._stand_in:  # saved by code that read the dictionary
                return
            if self._dictionary[self._key] is self._stand_in:
                self._shared = value
            else:
                self._dictionary[self._key] = value
        self._assigned(value)

    def _set_own(self, call: RunningCall, value: Any) -> None:
        if value is self._stand_in:  # `mock.patch` saves what it finds in the dictionary, and so means the one before
            value = call.own.get(self.name, [self.shared, None])[-2]
        call.set_own(self.name, value, shared=self.shared)
        if self.name in call.own and self._dictionary[self._key] is not self._stand_in:
            self._shared = self._dictionary[self._key]
            self._dictionary[self._key] = self._stand_in

    def end(self) -> None:
        """Leave the process' own value alone in the dictionary."""
        with self._lock:
            if self._dictionary[self._key] is self._stand_in:
                self._dictionary[self._key] = self._shared


class OwnAttributes:
    """The attributes that calls may set for themselves.

    Args:
        assigned: Called when code outside of calls has set one, with its name and the new value.
    """

    def __init__(self, assigned: Callable[[str, Any], None]) -> None:
        def made(module: ModuleType, name: str) -> Attribute:
            return Attribute(module, name, lambda value: assigned(name, value))

        self._attributes = {
            module: {name: made(module, name) for name in names if hasattr(module, name)}
            for module, names in ATTRIBUTES
        }
        #: For each module, the class that it had at the beginning, and the class that it has meanwhile.
        self._classes: dict[ModuleType, tuple[type, type]] = {}

    def begin(self) -> None:
        """Give each call its own values from now on."""
        for module, attributes in self._attributes.items():
            known, contextual = self._classes.get(module, (None, None))
            if known is not type(module) or contextual is None:  # made once: it takes longer than all the rest
                known = type(module)
                contextual = _contextual(known, attributes)
                self._classes[module] = known, contextual
            module.__class__ = contextual

    def end(self) -> None:
        """Restore the modules; the process' own values stay as they are."""
        for module, (before, contextual) in self._classes.items():
            if type(module) is contextual:
                module.__class__ = before
            for attribute in self._attributes[module].values():
                attribute.end()


def _contextual(kind: type, attributes: dict[str, Attribute]) -> type:
    """Return a class for a module whose attributes have a value for each call."""

    def missing(module: ModuleType, name: str) -> Any:
        # Its presence keeps the interpreter from reading the dictionary where the attribute is asked for.
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

    def reduced(module: ModuleType) -> Any:
        # Functions that are sent to another process name the modules that they use; pickle knows the class `module` only.
        return importlib.import_module, (module.__name__,)

    def member(attribute: Attribute) -> property:
        return property(lambda _: attribute.get(), lambda _, value: attribute.set(value))

    members = {name: member(attribute) for name, attribute in attributes.items()}
    return type(kind.__name__, (kind,), {**members, "__getattr__": missing, "__reduce__": reduced})


def end_own(call: RunningCall) -> tuple[str, ...]:
    """Undo what an attempt has left set, and return the names."""
    names = tuple(call.own)
    call.own.clear()
    return names
