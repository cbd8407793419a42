"""The answer as it comes: what stands and what a later reply replaces."""

from asyncfc_jupyter.core.events import CallOpened, RequestRetried, Stamped, TextStreamed, TextWithdrawn
from asyncfc_jupyter.core.futures import CallId
from asyncfc_jupyter.jupyter.display.cell_output import AnswerText


def shown(*events):
    text = AnswerText()
    for seq, event in enumerate(events):
        text.take(Stamped(seq=seq, at_s=0.0, event=event))
    return text.markdown


def retried(turn):
    return RequestRetried(turn=turn, attempt=1, message="the line broke", pause_s=1)


def test_text_of_a_reply_that_broke_off_gives_way_to_the_whole() -> None:
    assert shown(TextStreamed(turn=1, text="Half an "), retried(1), TextStreamed(turn=2, text="Half and whole")) == (
        "Half and whole"
    )


def test_text_of_a_reply_that_broke_off_after_a_call_stays() -> None:
    call = CallOpened(turn=1, call=CallId("a"), tool="look")
    assert "Looking" in shown(TextStreamed(turn=1, text="Looking"), call, retried(1), TextStreamed(turn=2, text="Done"))


def test_text_that_was_reasoning_gives_way_to_the_answer() -> None:
    assert (
        shown(TextStreamed(turn=1, text="Lisbon?"), TextWithdrawn(turn=1), TextStreamed(turn=1, text="Rain."))
        == "Rain."
    )
