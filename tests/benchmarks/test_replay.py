"""What compares the runs of a plan: habits, the witness, ratios."""

import pytest

from tests.benchmarks.replay import Step, Witness, plan_of, ratio

STEPS = [
    Step("First.", 'a = look(topic="x")'),
    Step("Second.", "b = look(topic=a.id)"),
    Step("It is {b.id}.", 'c = look(topic=f"{b.id} y")', reads=True),
]


def test_a_model_thinks_before_each_reply_and_reads_only_what_is_there() -> None:
    one, every = (plan_of(STEPS, "{c.id}", habit) for habit in ("one", "all"))
    assert one == '"First."\na = look(topic="x")\n\n"Second."\nb = look(topic=a.id)\n\n' + every.split("\n\n", 1)[1]
    assert every.split("\n\n")[0] == '"First."\na = look(topic="x")\nb = look(topic=a.id)'
    assert every.split("\n\n")[1:] == ['f"It is {b.id}."\nc = look(topic=f"{b.id} y")', 'f"{c.id}"']


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        ((("a/b",), ()), (("a",), ()), False),  # both read
        ((("a",), ()), ((), ("a/b",)), True),
        (((), ("a/b",)), (("a/c",), ("a/bc",)), False),
        (((), ("a",)), ((), ("a",)), True),
        (((), ("",)), (("a",), ()), True),  # the whole state
    ],
)
def test_a_witness_notes_what_conflicts_while_it_overlaps(one, other, conflict) -> None:
    witness = Witness()
    with witness.touching("one", one):
        pass
    with witness.touching("other", other):
        assert witness.conflicts == []
        with witness.touching("one", one):
            pass
    assert bool(witness.conflicts) == conflict
    assert witness.most == 2


def test_a_ratio_weighs_groups_and_its_interval_holds_what_plans_vary() -> None:
    pairs = {"same": [(3.0, 2.0)] * 10, "varied": [(1.0, 1.0), (4.0, 1.0)] * 10}
    steady = ratio(pairs, {"same": 1.0})
    assert (steady.value, steady.low, steady.high) == (1.5, 1.5, 1.5)
    varied = ratio(pairs, {"varied": 1.0})
    assert 1.5 < varied.low < varied.value == 2.5 < varied.high < 3.5
    assert ratio(pairs, {"same": 0.5, "varied": 0.5}).value == pytest.approx(5.5 / 3)
    assert ratio(pairs, {"varied": 1.0}) == varied
