"""Rehearsal: a model inside the package that needs no key and no network.

The user's message is a plan in a small subset of Python, which is parsed and never executed. The model streams its calls at
a chosen speed, over the same protocol as any other model, and reads the results that the layer returns. It passes a
reference where a result is pending and a literal where it has seen the value.
"""

from asyncfc_jupyter.models.rehearsal.model import RehearsalModel

__all__ = ["RehearsalModel"]
