"""What is remembered from conversation to conversation: how long tools take, and what is known of models.

Both decide how long values are waited for (`inline_wait`). A `Memory` lasts as long as the process. A `DiskMemory` also has a
file in the user's cache, so that the first conversation of a new kernel is as well informed as the last one before it.

The file holds figures, names of functions with a hash of their code, and models with their addresses: no arguments, no results,
no prompts and no keys. It is read once, before the first run that needs it, and written at the end of each run that has learned
something, both in a thread. Each writing adds what this process has measured to what the file holds then. So two kernels keep
each other's tools; of two that learn of one model the later wins, and of two that write at the same moment one loses a few
observations. Refused: a lock between processes. It can outlive the process that holds it, and nothing here is worth a wait.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from platformdirs import user_cache_path
from pydantic import Field

from asyncfc_jupyter.agent.inline_wait import Learned
from asyncfc_jupyter.checked_json import NotValid, checked, parsed
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.models.atomic_file import replace_file
from asyncfc_jupyter.models.base import ChatModel, server_address
from asyncfc_jupyter.modes import Remember, parse_remember
from asyncfc_jupyter.notices import notify
from asyncfc_jupyter.runtime.durations import MOST_TOOLS, Durations, Measured

#: Models that are kept, the latest used; far more than a user has.
_MOST_MODELS = 100
#: Characters of a model's name with its address, of which both may be long.
_MODEL_CHARS = 300
#: Bytes of a file that is read: several times what the figures above can fill.
_MOST_BYTES = 2_000_000


#: Seconds of the latest replies; an `inline_wait.Learned` has a few.
_Latest = Annotated[tuple[float, ...], Field(max_length=100)]


class Memory:
    """How long tools take and what is known of models, for as long as the process lives.

    Pass one to `Agent` as ``remember`` to share it between certain agents only.
    """

    def __init__(self) -> None:
        self.durations = Durations()
        #: What was learned of each model, by its name and address; the one that was used last at the end.
        self.models: dict[str, Learned] = {}

    def learned_of(self, model: ChatModel) -> Learned | None:
        """Return what is known of a model, to be used and changed by a run.

        Returns:
            None for a model that does not say which server it is of, such as the rehearsal model and replays: what these do is
            written in a plan or a file, and no habit.
        """
        address = server_address(model)
        if not address:
            return None
        key = mask(f"{model.name} at {address}")[:_MODEL_CHARS]
        learned = self.models.pop(key) if key in self.models else Learned()
        self.models[key] = learned
        for oldest in [*self.models][:-_MOST_MODELS]:
            self.models.pop(oldest, None)
        return learned

    def forget(self) -> None:
        """Forget everything."""
        self.durations.by_tool.clear()
        self.models.clear()

    async def begin_run(self) -> None:
        """Make ready what a run may need of it."""

    def end_run(self) -> None:
        """Keep what a run has learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    """What the file holds of a model: the fields of `Learned`."""

    first_token_s: _Latest
    asking_s: _Latest
    asks_after_several: Annotated[float, Field(le=1)]
    asks_after_one: Annotated[float, Field(le=1)]

    @classmethod
    def of(cls, learned: Learned) -> _Figures:
        asks = learned.asks
        return cls(
            first_token_s=learned.first_token_s,
            asking_s=learned.asking_s,
            asks_after_several=asks[True],
            asks_after_one=asks[False],
        )

    def learned(self) -> Learned:
        asks = {True: self.asks_after_several, False: self.asks_after_one}
        return Learned(first_token_s=self.first_token_s, asking_s=self.asking_s, asks=asks)


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """What the file holds: what was used last is at the end of each part."""

    tools: dict[str, Measured] = field(default_factory=dict)
    models: dict[str, _Figures] = field(default_factory=dict)


class DiskMemory(Memory):
    """A memory with a file. Reading and writing it never raises; what goes wrong is reported once.

    Args:
        path: Returns the path of the file when that is needed.
    """

    def __init__(self, path: Callable[[], Path]) -> None:
        super().__init__()
        self._path = path
        self._lock = threading.Lock()
        self._loaded = self._reported = False
        #: What the file has of this process already.
        self._saved = _File()

    @property
    def path(self) -> Path:
        """The file, which need not exist."""
        return self._path()

    async def begin_run(self) -> None:
        """Read the file, in a thread, if that was not done yet."""
        if not self._loaded:
            await asyncio.to_thread(self.load)

    def end_run(self) -> None:
        """Write the file in a thread, which the end of the event loop waits for."""
        asyncio.get_running_loop().run_in_executor(None, self.save)

    def load(self) -> None:
        """Read the file, if that was not done yet."""
        with self._lock:
            if not self._loaded:
                self._saved = kept = self._read()
                self.durations.by_tool.update(kept.tools)
                self.models.update({name: figures.learned() for name, figures in kept.models.items()})
                self._loaded = True

    def save(self) -> None:
        """Add to the file what was learned since the last time."""
        with self._lock:
            # Copied as a whole, since runs continue to learn.
            models = {name: _Figures.of(learned) for name, learned in [*self.models.items()]}
            before, now = self._saved, _File(tools=dict(self.durations.by_tool), models=models)
            new_tools = [name for name, measured in now.tools.items() if measured != before.tools.get(name)]
            new_models = [name for name, figures in now.models.items() if figures != before.models.get(name)]
            if not (new_tools or new_models):
                return
            self._saved, kept = now, self._read()
            for name in new_tools:
                calls = now.tools[name].calls - before.tools.get(name, Measured()).calls
                if calls <= 0:  # it was forgotten meanwhile, and measured from the beginning
                    calls = now.tools[name].calls
                taken_s = now.tools[name].recent_s[-calls:]
                kept.tools[name] = kept.tools.pop(name, Measured()).followed_by(taken_s, calls)
            for name in new_models:
                kept.models.pop(name, None)
                kept.models[name] = now.models[name]
            self._write(kept)

    def forget(self) -> None:
        """Forget everything, and remove the file.

        Raises:
            OSError: The file cannot be removed.
        """
        with self._lock:
            super().forget()
            self._saved, self._loaded = _File(), True
            self._path().unlink(missing_ok=True)

    def _read(self) -> _File:
        try:
            with self._path().open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
            if len(data) > _MOST_BYTES:
                raise NotValid(f"it has more than {_MOST_BYTES:,} bytes")
            kept: _File = checked(_File, parsed(data.decode()))
        except FileNotFoundError:
            return _File()
        except (OSError, UnicodeDecodeError, NotValid) as error:
            self._report("cannot be read and is replaced", error)
            return _File()
        # Another program may have written longer lists.
        tools = {name: Measured().followed_by(each.recent_s, each.calls) for name, each in kept.tools.items()}
        return replace(kept, tools=tools)

    def _write(self, kept: _File) -> None:
        tools, models = dict([*kept.tools.items()][-MOST_TOOLS:]), dict([*kept.models.items()][-_MOST_MODELS:])
        whole = _File(tools=tools, models=models)
        text = json.dumps(whole, default=lambda part: {name: getattr(part, name) for name in part.__slots__}) + "\n"
        try:
            self._path().parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path(), text, private=True)
        except OSError as error:
            self._report("cannot be written", error)

    def _report(self, problem: str, error: Exception) -> None:
        if not self._reported:
            self._reported = True
            notify(
                f"what was learned of tools and models {problem}: {self._path()}: {error}; runs continue without it. To keep "
                'it in this kernel only: remember = "kernel".'
            )


def memory_file() -> Path:
    """Return the path of the user's file, which need not exist. Another form of it would have another number."""
    return user_cache_path("asyncfc_jupyter", appauthor=False) / "memory-1.json"


#: What agents of this process share unless they say otherwise, by the word that asks for it.
SHARED: dict[Remember, Memory] = {Remember.KERNEL: Memory(), Remember.DISK: DiskMemory(memory_file)}


def memory_of(remember: str | Memory) -> Memory | None:
    """Return the memory that an agent uses: its own, or one that is shared; None where a conversation is remembered alone.

    Raises:
        UsageError: There is no such way to remember.
    """
    return remember if isinstance(remember, Memory) else SHARED.get(parse_remember(remember))
