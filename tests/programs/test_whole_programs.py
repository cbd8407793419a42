"""Results and final state of whole programs equal those of the same calls one by one, in plain Python."""

import pytest
from hypothesis import given, settings

from tests.programs.kinds import (
    biting_values,
    odd_places,
    processes,
    redefinitions,
    shared_objects,
    state_in_arguments,
    streams,
)
from tests.programs.overlapping import check_random
from tests.programs.program import SIZE
from tests.random_programs import programs, share
from tests.suite.long_form import is_long


@share(25)
@given(programs(SIZE))
def test_shared_objects_are_those_of_plain_python(data) -> None:
    check_random(shared_objects.KIND, data)


@share(10)
@given(programs(SIZE))
def test_objects_whose_tools_declare_one_place_are_those_of_python(data) -> None:
    check_random(shared_objects.DECLARED, data)


@share(15)
@given(programs(SIZE))
def test_checks_and_defaults_see_the_state_of_plain_python(data) -> None:
    check_random(state_in_arguments.KIND, data)


@share(20)
@given(programs(SIZE))
def test_places_that_are_one_in_python_are_one(data) -> None:
    check_random(odd_places.KIND, data)


@share(20)
@given(programs(SIZE))
def test_tools_defined_again_are_called_as_in_plain_python(data) -> None:
    check_random(redefinitions.KIND, data)


@share(5)
@given(programs(SIZE))
def test_values_that_bite_are_passed_on_as_in_plain_python(data) -> None:
    check_random(biting_values.KIND, data)


@share(5)
@given(programs(SIZE))
def test_redirected_output_is_that_of_plain_python(data) -> None:
    check_random(streams.KIND, data)


@pytest.mark.long
@settings(max_examples=50 if is_long() else 1)
@given(programs(SIZE))
def test_a_process_that_dies_fails_its_own_call_only(data) -> None:
    # In the short form the simplest program: on the real clock a death takes a second. The rest is in `test_found_programs`.
    check_random(processes.KIND, data)
