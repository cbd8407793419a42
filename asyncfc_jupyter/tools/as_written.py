"""Takes an argument as a model would write it, where the object itself does not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from pydantic_core.core_schema import CoreSchema, no_info_wrap_validator_function

from asyncfc_jupyter.values.written_out import written_out


def or_as_written(check: CoreSchema, clean: Callable[[Any], Any]) -> CoreSchema:
    """Return a check that takes what another one takes, and then what has a written form that the other takes.

    A parameter's validators run a second time for such a value, and for no other one.

    Args:
        check: The check of an argument, by pydantic.
        clean: Leaves out the nulls of a written form that stand for "not given".
    """

    def checked(value: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            problems = [error]
        for form in written_out(value):
            try:
                return handler(clean(form))
            except ValidationError as error:
                problems.append(error)
        # The problem is that of what the model would have written, unless that has several forms.
        raise problems[1 if len(problems) == 2 else 0]

    if check["type"] == "default":  # it must stay outside: a missing argument is not checked
        return {**check, "schema": or_as_written(check["schema"], clean)}
    return no_info_wrap_validator_function(checked, check)
