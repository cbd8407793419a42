"""The demonstration: one plan, real tools, a real database, four ways to call functions. Needs no key and no network."""

from asyncfc_jupyter.demo.play import MODES, PLAN, Comparison, Played, play_all

__all__ = ["MODES", "PLAN", "Comparison", "Played", "play_all"]
