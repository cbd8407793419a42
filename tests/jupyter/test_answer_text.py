"""The answer as it comes: what stands and what a later reply replaces."""

from asyncfc_jupyter.core.events import (
    CallOpened,
    ReasoningStreamed,
    RequestRetracted,
    RequestRetried,
    RunEnded,
    Stamped,
    TextStreamed,
    TextWithdrawn,
    TurnEnded,
    TurnStarted,
)
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


RETRACTED = RequestRetracted(turn=1, by=2)
SECOND = TurnStarted(turn=2, instead_of=1)


def said(turn, text):
    return TextStreamed(turn=turn, text=text)


def test_text_of_a_retracted_request_stays_until_its_replacement_speaks() -> None:
    """The page would jump if the answer were empty in between."""
    begun = (TurnStarted(turn=1), said(1, "Waiting."), RETRACTED, SECOND)
    assert shown(*begun) == "Waiting."
    call = CallOpened(turn=2, call=CallId("a"), tool="look")
    ended = TurnEnded(turn=2, reason="stop", calls=0)
    for piece in (call, ended, ReasoningStreamed(turn=2, text="hm"), retried(2), RunEnded(outcome="interrupted")):
        assert shown(*begun, piece) == "", piece
    assert shown(*begun, said(2, "It rains.")) == "It rains."


def test_of_two_racing_requests_the_first_is_read_until_it_is_retracted() -> None:
    race = (TurnStarted(turn=1), said(1, "One"), SECOND, said(2, "Two"), said(1, " more"), said(2, " and half"))
    assert shown(*race) == "One more"
    assert shown(*race, RETRACTED) == "Two and half"
    assert shown(*race, RETRACTED, said(2, ".")) == "Two and half."
    lost = RequestRetracted(turn=2, by=1)
    assert shown(*race, lost) == shown(*race, lost, said(2, "late")) == "One more"
    assert shown(*race, lost, said(1, ".")) == "One more."


def test_a_race_that_the_end_of_the_run_leaves_open_shows_one_text() -> None:
    race = (TurnStarted(turn=1), said(1, "One"), SECOND, said(2, "Two"), RunEnded(outcome="interrupted"))
    assert shown(*race) == "One"


def test_what_happens_to_the_second_request_before_it_is_used_counts_then() -> None:
    call = CallOpened(turn=2, call=CallId("a"), tool="look")
    race = (
        said(1, "One"),
        SECOND,
        said(2, "Lisb"),
        retried(2),
        said(2, "Two"),
        TextWithdrawn(turn=2),
        said(2, "3"),
        call,
    )
    assert shown(*race) == "One"
    assert shown(*race, RETRACTED) == "> 3"


def test_text_of_a_chain_of_retracted_requests_is_the_last_one_only() -> None:
    chain = (said(1, "One"), RETRACTED, SECOND, RequestRetracted(turn=2, by=3), TurnStarted(turn=3, instead_of=2))
    assert shown(*chain, said(3, "Three")) == "Three"


def test_a_piece_of_a_held_reply_is_no_change_of_the_text() -> None:
    text = AnswerText()
    stamps = [Stamped(seq=0, at_s=0.0, event=event) for event in (said(1, "One"), SECOND, said(2, "Two"), RETRACTED)]
    assert [text.take(stamped) for stamped in stamps] == [True, False, False, True]
