"""Parts that are imported by name when they are used: those of this package, and those that other packages add.

A part is an object of a module, such as a class of models (`models.registry`) or an exporter of pictures
(`trace.render.exporters`). Other packages register theirs as entry points of a group. The metadata of all installed packages is
read for that, which takes about 20 ms.
"""

from __future__ import annotations

import importlib
import importlib.util
import operator
import sys
from dataclasses import dataclass
from typing import Any

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.foreign_code import ForeignCode, text_of


class PartNotUsable(UsageError):
    """A part cannot be imported, often because a package that it needs is missing."""

    def __init__(self, label: str, problem: str, remedy: str) -> None:
        self.label, self.problem, self.remedy = label, problem, remedy
        super().__init__(f"{label} cannot be used: {problem}; {remedy}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Where an object is, and which package registers it."""

    name: str
    #: ``module:object``, followed by ``[extra]`` if it needs an extra of its package.
    target: str
    package: str = "asyncfc_jupyter"

    def load(self, label: str, *, needs: str = "") -> Any:
        """Import the object.

        Args:
            label: What errors call it, such as ``the api 'chat'``.
            needs: A package that it imports later, and that must be installed all the same.

        Raises:
            PartNotUsable: A package is not installed, or the module or the object cannot be imported.
        """
        target, bracket, extra = self.target.partition("[")
        module, _, name = target.strip().partition(":")
        with ForeignCode() as ran:
            if needs and sys.modules.get(needs) is None and importlib.util.find_spec(needs) is None:
                raise ModuleNotFoundError(name=needs)
            return operator.attrgetter(name)(importlib.import_module(module))
        error = ran.error
        missing = str(error.name).partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
        if missing and missing != module.partition(".")[0]:
            problem = f"the package {missing!r} is not installed"
            wanted = f"{self.package}[{extra}" if bracket else missing
            raise PartNotUsable(label, problem, f"run pip install '{wanted}'") from None
        why = "" if error is None else f" ({ran.raised}: {text_of(error)})"
        problem = f"{target.strip()} cannot be imported{why}"
        remedy = f"update or uninstall the package {self.package!r}, which registers it"
        raise PartNotUsable(label, problem, remedy) from error


def added_parts(group: str) -> list[Part]:
    """Return the parts that installed packages register in a group of entry points, by name and package."""
    from importlib import metadata  # noqa: PLC0415 - takes some 50 ms, which most uses do without

    parts = [
        Part(name=point.name, target=point.value, package=point.dist.name if point.dist else "?")
        for point in metadata.entry_points(group=group)
    ]
    return sorted(parts, key=lambda part: (part.name, part.package))
