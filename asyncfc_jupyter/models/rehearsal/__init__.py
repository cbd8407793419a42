"""Rehearsal: a model inside the package that needs no key and no network.

The person's message is a plan in a small subset of Python, which is read and never executed. The model "decodes" it
at a chosen speed over the same protocol as any other model, reads what the layer feeds back, and passes a reference
where a result is pending and a literal where it has the value.
"""

from asyncfc_jupyter.models.rehearsal.model import RehearsalModel

__all__ = ["RehearsalModel"]
