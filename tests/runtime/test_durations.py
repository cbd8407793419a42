"""The durations of the latest calls."""

from asyncfc_jupyter.runtime.durations import Durations


def test_the_latest_nine_calls_of_a_tool_count_or_else_those_of_all() -> None:
    durations = Durations()
    assert list(durations.recent_s("a")) == []
    for seconds in range(10):
        durations.note("a", seconds)
    assert list(durations.recent_s("a")) == list(range(1, 10))
    durations.note("b", 99)
    assert list(durations.recent_s("a")) == list(range(1, 10))
    assert list(durations.recent_s("b")) == [99]
    assert list(durations.recent_s("c")) == [*range(2, 10), 99]
