"""Helpers for tests of tools and agents: virtual time and scripted models. Nothing else in the package imports them."""

from asyncfc_jupyter.testing.scripted import Breaks, Calls, Says, ScriptedModel, Thinks
from asyncfc_jupyter.testing.virtual_time import Stalled, VirtualTimeLoop, run_virtually

__all__ = ["Breaks", "Calls", "Says", "ScriptedModel", "Stalled", "Thinks", "VirtualTimeLoop", "run_virtually"]
