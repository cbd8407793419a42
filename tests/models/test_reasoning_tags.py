"""Reasoning between tags in the text of a reply: parted from it, however the text is cut into pieces."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.agent import Agent
from asyncfc_jupyter.core.events import ReasoningStreamed, TextStreamed, TextWithdrawn
from asyncfc_jupyter.models.base import ReasoningDelta, TextDelta
from asyncfc_jupyter.models.in_text.reasoning import TAGS, ReasoningTags, Withdrawn
from asyncfc_jupyter.testing import Says, ScriptedModel, run_virtually

#: A reply, its reasoning and its text.
REPLIES = {
    "a tag": ("<think>\nLisbon?\n</think>\n\nIt rains.", "\nLisbon?\n", "It rains."),
    "blanks before it": (" \n\n<think>hm</think>It rains.", "hm", "It rains."),
    "only reasoning": ("\n<think>hm</think>\n\n", "hm", ""),
    "empty reasoning": ("<think>\n\n</think>\n\nIt rains.", "\n\n", "It rains."),
    "a tag that never closes": ("<think>hm, </thin", "hm, </thin", ""),
    "two tags": ("<think>a</think>\n<think>b</think>\nIt rains.", "ab", "It rains."),
    "a closing tag of another kind inside": ("<think>a</thinking>b</think>c", "a</thinking>b", "c"),
    "half a closing tag inside": ("<think>a</</think</think>c", "a</</think", "c"),
    "a tag inside reasoning": ("<think>the <think> tag</think>c", "the <think> tag", "c"),
    "a tag in the middle": ("It is <think>hm</think> so.", "", "It is <think>hm</think> so."),
    "a tag after reasoning and text": ("<think>a</think>b <think>c</think>", "a", "b <think>c</think>"),
    "a tag in a code block": ("```\n<think>hm</think>\n```", "", "```\n<think>hm</think>\n```"),
    "a tag between backticks": ("`<think>` opens it.", "", "`<think>` opens it."),
    "half a tag": ("<thin", "", "<thin"),
    "another tag": ("<thinker>hm</thinker>", "", "<thinker>hm</thinker>"),
    "blanks alone": (" \n", "", " \n"),
    "blanks before a text": ("\n It rains.\n", "", "\n It rains.\n"),
    "the tag opened by the template": ("Lisbon?\n</think>\n\nIt rains.", "Lisbon?\n", "It rains."),
    "the same, without an answer": ("Lisbon?\n</think>", "Lisbon?\n", ""),
    "the closing tag first": ("</think>\nIt rains.", "", "It rains."),
    "the same in another spelling": ("Lisbon?\n[/THINK]\nIt rains.", "Lisbon?\n", "It rains."),
    "a closing tag in a sentence": ("</think> closes it.", "", "</think> closes it."),
    "a closing tag after its opening one": ("So:\n<think>\n</think>\nSo.", "", "So:\n<think>\n</think>\nSo."),
    "a closing tag in a code block": ("```\n</think>\n```\n", "", "```\n</think>\n```\n"),
    "a second closing tag alone": ("a\n</think>\nb\n</think>\nc", "a\n", "b\n</think>\nc"),
    "gpt-oss": (
        "<|channel|>analysis<|message|>Lisbon?<|end|><|start|>assistant<|channel|>final<|message|>It rains.",
        "Lisbon?",
        "It rains.",
    ),
    "gpt-oss without analysis": ("<|channel|>final<|message|>It rains.", "", "It rains."),
    **{
        f"the tag {tag!r}": (f"{tag}Lisbon?{closing}It rains.", "Lisbon?", "It rains.") for tag, closing in TAGS.items()
    },
}


def parted(pieces):
    """The reasoning and the text of a reply in these pieces."""
    tags, reasoning, text = ReasoningTags(), "", ""
    for each in [*(each for piece in pieces for each in tags.feed(piece)), *tags.finish()]:
        match each:
            case ReasoningDelta():
                reasoning += each.text
            case TextDelta():
                text += each.text
            case Withdrawn():
                reasoning, text = reasoning + text, ""
    return reasoning, text


@pytest.mark.parametrize("name", REPLIES)
def test_reasoning_is_parted_wherever_the_text_is_cut(name) -> None:
    reply, *expected = REPLIES[name]
    for size in range(1, len(reply) + 1):
        assert parted(reply[at : at + size] for at in range(0, len(reply), size)) == tuple(expected)
    for at in range(len(reply)):
        assert parted([reply[:at], reply[at:]]) == tuple(expected)


@given(st.lists(st.text("<>/think`\n aé[]◁|"), max_size=12))
@settings(max_examples=300, deadline=None)
def test_no_character_is_lost_but_tags_and_blanks(pieces) -> None:
    whole = "".join(pieces)
    reasoning, text = parted(pieces)
    assert parted(whole) == (reasoning, text) == parted([whole])
    left = reasoning + text
    for tag in (*TAGS, *TAGS.values()):
        whole, left = whole.replace(tag, ""), left.replace(tag, "")
    assert "".join(left.split()) == "".join(whole.split())


@given(st.lists(st.text("abc \nxyz.`#*é", min_size=1), max_size=12))
def test_a_text_without_marks_passes_piece_by_piece(pieces) -> None:
    tags = ReasoningTags()
    passed = [[each.text for each in tags.feed(piece)] for piece in pieces]
    begun = next((at for at, piece in enumerate(pieces) if piece.strip()), len(pieces))
    assert passed == [[] for _ in pieces[:begun]] + [pieces[: begun + 1]] * (begun < len(pieces)) + [
        [piece] for piece in pieces[begun + 1 :]
    ]


def test_what_may_be_a_tag_is_held_no_longer_than_that_is_possible() -> None:
    tags = ReasoningTags()
    assert [[each.text for each in tags.feed(piece)] for piece in ("<th", "e", " <", "t", "a", "</thi", "s")] == [
        [],
        ["<the"],
        [" "],
        [],
        ["<ta"],
        [],
        ["</this"],
    ]


def test_reasoning_in_tags_is_no_part_of_the_answer_or_the_history() -> None:
    model = ScriptedModel([Says("<think>Lis"), Says("bon?</think>\n\nIt rains.")])
    run = run_virtually(Agent(model).run("go"))
    assert (run.answer, run.note, run.conversation.messages[-1]) == (
        "It rains.",
        "",
        {"role": "assistant", "content": "It rains."},
    )
    events = [stamped.event for stamped in run.trace]
    assert [event.text for event in events if isinstance(event, ReasoningStreamed)] == ["Lis", "bon?"]


def test_a_reply_that_is_only_reasoning_is_named_so() -> None:
    run = run_virtually(Agent(ScriptedModel([Says("<think>hm</think>\n")])).run("go"))
    assert (run.answer, run.note) == ("", "the model reasoned and gave no answer")


def test_reasoning_that_the_template_opened_is_withdrawn_from_the_answer() -> None:
    model = ScriptedModel([Says("Lisbon?\n"), Says("</think>\n\nIt rains.")])
    run = run_virtually(Agent(model).run("go"))
    events = [stamped.event for stamped in run.trace if isinstance(stamped.event, TextStreamed | TextWithdrawn)]
    assert run.answer == "It rains."
    assert events == [
        TextStreamed(turn=1, text="Lisbon?\n"),
        TextWithdrawn(turn=1),
        TextStreamed(turn=1, text="It rains."),
    ]
