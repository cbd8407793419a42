"""What the connection must know of a client library, such as openai-python; an adapter names its own.

The libraries of OpenAI and of Anthropic come from one generator. Their clients, time limits, streams and errors have the same
names and attributes, so one code sends the requests of both and reads their errors. What differs is described here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asyncfc_jupyter.plugins import PartNotUsable


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLibrary:
    """A client library."""

    #: The name by which it is imported.
    package: str
    #: The name of its asynchronous client.
    client: str
    #: The name of the base class of its exceptions.
    error: str
    #: Its own server's address, and the variable in which it looks for another one when none is passed.
    address: str
    address_variable: str
    #: The variable in which it looks for a key when none is passed.
    key_variable: str
    #: Attributes of a client that it fills from the environment and sends with each request.
    ambient: tuple[str, ...]
    #: Whether what the environment says for this library belongs to an address; None is the one that the environment names.
    owns: Callable[[str | None], bool]
    #: The extra of this package that installs it; empty for one that is always installed.
    extra: str = ""
    #: Whether the key is in the header Authorization in all its versions: HTTP libraries remove that one from a request that a
    #: redirect leads to another server, and no other header.
    hides_key: bool = True

    def load(self) -> Any:
        """Return the library, and import it first if needed.

        Raises:
            PartNotUsable: It is not installed.
        """
        try:
            return importlib.import_module(self.package)
        except ModuleNotFoundError as error:
            if error.name != self.package:
                raise
        wanted = f"asyncfc-jupyter[{self.extra}]" if self.extra else self.package
        problem = f"the package {self.package!r} is not installed"
        raise PartNotUsable(f"{self.package}'s {self.client}", problem, f"run pip install '{wanted}'")
