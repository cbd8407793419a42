"""Defaults and names that the engine and the help of the magics share.

The extension shows them before the engine is loaded, so this module imports nothing of the package.
"""

from __future__ import annotations

from typing import Literal, get_args

#: Turns of the model after which a run stops: far above what a sensible plan needs, low enough to end a model in a circle.
DEFAULT_MAX_TURNS = 50
#: Calls that may run at the same time: enough to keep a few slow services busy, few enough not to look like an attack to one.
DEFAULT_LIMIT = 16
#: Seconds after which a call fails: long enough for a slow service, short enough that a hanging one is noticed soon.
DEFAULT_TIMEOUT_S = 60.0
#: The rehearsal model's milliseconds to the first token, and its tokens per second.
DEFAULT_TTFT_MS, DEFAULT_TOKENS_PER_S = 300.0, 60.0
#: Where a function may run by name; any `concurrent.futures.Executor` may take it instead.
RunIn = Literal["loop", "thread", "process"]
RUN_IN: tuple[RunIn, ...] = get_args(RunIn)
