"""Notices: what the layer reports of a run that continues, such as an option that a server refuses.

A notice is shown as Python shows a warning, so that notebooks, loggers, recorders and ``pytest.warns`` receive it. The filters
of warnings do not decide about it. The filter ``error`` would raise in the middle of a run, and the run would lose what the
notice says it keeps. The filter ``ignore``, and the rule that a place warns once, would hide what the user must know.

Refused: ``warnings.warn``, also with a guard around it. Under the filter ``error`` the text would be lost.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from contextvars import ContextVar

from asyncfc_jupyter.foreign_code import ForeignCode
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.text import printable

_dropped: ContextVar[bool] = ContextVar("asyncfc_jupyter_notices_dropped", default=False)


def notify(text: str, kind: type[Warning] = UserWarning) -> None:
    """Show a notice, without keys. Never raises.

    Args:
        text: One line for the user.
        kind: The category by which users recognise it.
    """
    if _dropped.get():
        return
    with ForeignCode():  # the user may have replaced the function that shows warnings
        warnings.showwarning(kind(mask(printable(text))), kind, "asyncfc_jupyter", 0, line="")


@contextlib.contextmanager
def dropped_notices() -> Iterator[None]:
    """Show no notices of this task until the block ends; those of other runs are shown meanwhile."""
    token = _dropped.set(True)
    try:
        yield
    finally:
        _dropped.reset(token)
