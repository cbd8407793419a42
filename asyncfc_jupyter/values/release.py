"""Frees large values without holding the interpreter for long.

To drop the last reference to a list of a million rows frees all of them in one call into C: a fifth of a second in which no
other thread runs, and the event loop stands still. So the rows are held by a second list, and leave it a few thousand at a
time.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from asyncfc_jupyter.values.pauses import PARTS, Pauses
from asyncfc_jupyter.values.plain import CONTAINER_TYPES
from asyncfc_jupyter.values.snapshot import REGION_BITS

#: Follows a container whose parts have all been found.
_ALL_FOUND: Any = object()
#: One thread is enough: more of them would only be in the way of the event loop.
_ONE_AT_A_TIME = threading.Lock()


def release(held: list[Any]) -> None:
    """Drop objects little by little, in a thread if there are many.

    Args:
        held: The objects, a container after what it holds; the list is emptied. The caller drops what else it holds of them at
            once: the last one to drop a container frees what only this container holds.
    """
    if len(held) <= PARTS:
        held.clear()
    else:
        threading.Thread(target=_free, args=(held,), name="asyncfc-release", daemon=True).start()


def release_all(values: list[Any]) -> None:
    """Drop values and all that they hold, little by little, in a thread; as `release` otherwise."""
    threading.Thread(target=_free_all, args=(values,), name="asyncfc-release", daemon=True).start()


def _free(held: list[Any]) -> None:
    pauses = Pauses()
    with _ONE_AT_A_TIME:
        while held:
            del held[-PARTS:]
            pauses.pause()


def _free_all(values: list[Any]) -> None:
    held, inside, pauses = list[Any](), [*values], Pauses()
    values.clear()
    seen: defaultdict[int, set[int]] = defaultdict(set)
    with _ONE_AT_A_TIME:
        while inside:
            if not len(held) % PARTS:
                pauses.pause()
            each = inside.pop()
            if each is _ALL_FOUND:
                held.append(inside.pop())
            elif id(type(each)) not in CONTAINER_TYPES:
                held.append(each)
            elif id(each) not in (near := seen[id(each) >> REGION_BITS]):
                near.add(id(each))
                inside += (each, _ALL_FOUND)
                inside += each if type(each) is not dict else each.values()
        each = None
        while seen:
            seen.popitem()
    _free(held)
