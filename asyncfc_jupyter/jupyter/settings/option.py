"""One option of a magic: what its value must be, and the argument of the parser and the trait that are made of it.

Refused: pydantic, which would check values as well. This is loaded with the extension, and pydantic is not.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from IPython.core.magic_arguments import argument
from traitlets import Bool, Dict, Enum, Float, Int, TraitType, Unicode


@dataclass(frozen=True, slots=True)
class Rule:
    """What a value must be."""

    #: The rule in words, as the end of "must be ...".
    text: str
    #: What a word of the line or of the command line is turned into; bool for an option that takes no value, dict for one whose
    #: words are each a name and a value.
    kind: type = str
    #: The only valid values; with `fits`, the best known of them.
    names: tuple[str, ...] = ()
    #: Whether a value of the right kind is valid; by default any number above 0. A text must not be blank.
    fits: Callable[[Any], bool] | None = None

    @property
    def choices(self) -> tuple[str, ...]:
        """The only valid values; empty where others are valid too."""
        return self.names if self.fits is None else ()

    def accepts(self, value: Any) -> bool:
        """Return whether the value is valid."""
        if self.choices:
            return value in self.choices
        if self.kind is dict:
            return isinstance(value, Mapping) and (self.fits is None or self.fits(value))
        if self.kind is str:
            return isinstance(value, str) and bool(value.strip()) and (self.fits is None or self.fits(value))
        if self.kind is bool:
            return isinstance(value, bool)
        fits = self.fits or (lambda number: 0 < number < math.inf)
        return isinstance(value, (int, self.kind)) and not isinstance(value, bool) and fits(value)


def one_of(choices: tuple[str, ...]) -> Rule:
    """Return the rule that a value is one of these."""
    return Rule(f"one of {', '.join(choices)}", names=choices)


TEXT = Rule("a text")
FLAG = Rule("given or not", bool)
#: A flag that is a setting too.
SWITCH = Rule("true or false", bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a cell magic."""

    name: str
    help: str
    rule: Rule
    default: Any
    #: What holds without a value where `default` is None: a number, or words.
    usual: float | str = ""
    #: What its value is called in the help; the Tab key offers values of that name (`completion`).
    value: str | None = None
    #: Takes several values, separated by spaces or commas.
    several: bool = False
    #: Reads one word of the line as a name and its value, where the rule's kind is dict.
    entry: Callable[[str], tuple[str, Any]] | None = None
    #: The flag without its dashes, where it is not the name.
    word: str = ""
    #: A second flag, such as ``-f``.
    short: str | None = None
    #: Whether it is a setting too.
    setting: bool = False

    @property
    def flag(self) -> str:
        """The option as it is written on the line."""
        return f"--{(self.word or self.name).replace('_', '-')}"

    @property
    def flags(self) -> tuple[str, ...]:
        """Every way to write it on the line."""
        return (self.flag,) if self.short is None else (self.short, self.flag)

    @property
    def built_in(self) -> str:
        """What holds where nothing is set, in words; empty for nothing."""
        value = self.usual or self.default
        return f"{value:g}" if isinstance(value, float) else str(value or "")

    def argument(self) -> argument:
        """Return the argument of the magic's parser."""
        words = self.help + (f" (default: {self.built_in})" if self.built_in else "")
        if self.rule.kind is bool:
            return argument(*self.flags, action="store_true", help=words)
        if self.several:
            extends: Any = {"nargs": "+", "action": "extend", "dest": self.name}
            return argument(*self.flags, metavar=self.value, help=words, **extends)
        choices = self.rule.choices or None
        metavar = None if choices else self.value
        return argument(
            *self.flags, type=self.rule.kind, default=self.default, choices=choices, metavar=metavar, help=words
        )

    def trait(self) -> TraitType[Any, Any]:
        """Return the trait of a setting; None is a value that is not set."""
        words = f"{self.help}. Must be {self.rule.text}. By default {self.built_in or 'not set'}."
        if self.rule.choices:
            kind: Any = Enum(self.rule.choices, default_value=None, allow_none=True, help=words)
        else:
            kinds = {str: Unicode, int: Int, float: Float, bool: Bool, dict: Dict}
            kind = kinds[self.rule.kind](None, allow_none=True, help=words)
        return kind.tag(config=True)  # type: ignore[no-any-return]


def option(help: str, rule: Rule = TEXT, default: Any = None, **facts: Any) -> Any:  # noqa: A002 - argparse's word
    """Declare an option: a field of a dataclass that holds the options of one magic.

    Args:
        help: What it does, for the help.
        rule: What its value must be.
        default: Its value where the line gives none.
        facts: Other fields of `Option`.
    """
    return dataclasses.field(default=default, metadata={"help": help, "rule": rule, **facts})


#: Declares an option that is a setting too.
setting = partial(option, setting=True)


def options_of(table: type) -> dict[str, Option]:
    """Return the options that a dataclass declares, by name."""
    return {
        field.name: Option(name=field.name, default=field.default, **field.metadata)
        for field in dataclasses.fields(table)
    }
