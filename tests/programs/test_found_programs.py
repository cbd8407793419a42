"""Programs that the random search has found, made small: each stays a test."""

from tests.programs.kinds import biting_values, odd_places, processes
from tests.programs.overlapping import check
from tests.programs.program import Call, Cancel, Pause, Ref, program_of


def test_a_value_that_refuses_every_look_is_passed_on() -> None:
    hook = biting_values.HOOKS.index("__getattribute__")
    make = Call(biting_values.make, {"hook": hook, "error": 0, "nap_s": 0.0})
    hold = Call(biting_values.hold, {"hook": hook, "error": 0})
    take = [Call(biting_values.take, {"value": Ref(name), "nap_s": 0.0}) for name in ("f1", 'f2[1]["inside"]')]
    check(program_of(biting_values.KIND, [make, hold, *take]))


def test_an_exception_that_refuses_every_look_fails_its_call() -> None:
    hook = biting_values.HOOKS.index("__getattribute__")
    check(program_of(biting_values.KIND, [Call(biting_values.throw_biting, {"hook": hook, "error": 0, "nap_s": 0.0})]))


def test_calls_that_wait_for_a_process_survive_the_death_of_another() -> None:
    die, count = Call(processes.die, {"size": 1}), [Call(processes.count, {"size": size}) for size in range(1, 8)]
    check(program_of(processes.KIND, [die, *count]))


def test_what_a_retracted_request_wrote_is_written_by_the_next() -> None:
    get, put = (
        Call(odd_places.get, {"key": 1, "nap_s": 1.0}),
        Call(odd_places.put, {"key": 1, "number": 0, "nap_s": 0.0}),
    )
    check(program_of(odd_places.KIND, [get], [Cancel("f1"), Pause(0.0), put]))
