"""How the rehearsal model streams: the shape of its deltas and their schedule."""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncfc_jupyter.models.base import CallDelta, ChatModel, ChatRequest, Delta, Finish, TextDelta, Usage
from asyncfc_jupyter.models.rehearsal import RehearsalModel
from tests.models.rehearsal_conversation import Talk, deltas_of, done


class VirtualSelector(selectors.DefaultSelector):
    """Jumps to the next timer instead of sleeping."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += timeout or 0.0
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.virtual = VirtualSelector()
        super().__init__(self.virtual)

    def time(self) -> float:
        return self.virtual.now_s


def user(plan: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": plan}]


def test_it_is_a_chat_model_named_rehearsal() -> None:
    model = RehearsalModel()
    assert isinstance(model, ChatModel)
    assert model.name == "rehearsal"


def test_a_call_opens_with_index_id_and_name_then_its_arguments_stream() -> None:
    """The arguments come a token at a time."""
    model = RehearsalModel(ttft_ms=0, tokens_per_s=1e9)
    deltas = asyncio.run(deltas_of(model, user('"Hello there."\nsearch(city="LIS")\nweather("OPO")'), futures=True))
    *tokens, finish, usage = deltas
    assert finish == Finish(reason="tool_calls")
    assert usage == Usage(input_tokens=12, output_tokens=len(tokens))
    assert [token.text for token in tokens if isinstance(token, TextDelta)] == ["Hell", "o th", "ere."]
    calls = [token for token in tokens if isinstance(token, CallDelta)]
    opening = [token for token in calls if token.name is not None]
    assert [(token.index, token.name, token.arguments) for token in opening] == [
        (0, "search", None),
        (1, "weather", None),
    ]
    assert len({token.call_id for token in opening}) == 2
    rest = [token for token in calls if token.name is None]
    assert all(token.call_id is None and isinstance(token.arguments, str) for token in rest)
    assert all(1 <= len(str(token.arguments)) <= 4 for token in rest)
    assert "".join(str(token.arguments) for token in rest if token.index == 1) == '{"city": "OPO"}'


def test_an_answer_finishes_with_stop() -> None:
    model = RehearsalModel(ttft_ms=0, tokens_per_s=1e9)
    assert asyncio.run(deltas_of(model, user('"Hi."'), futures=True))[:2] == [
        TextDelta(text="Hi."),
        Finish(reason="stop"),
    ]


def test_call_ids_are_new_in_the_whole_conversation() -> None:
    talk = Talk()
    clash = {"id": "call_2", "type": "function", "function": {"name": "search", "arguments": "{}"}}
    talk.messages += [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [clash]}]
    talk.say('x = search("A")\n\nbook(x)\n"Done."')
    talk.answer(done("f2", 1))
    ids = [call["id"] for message in talk.messages for call in message.get("tool_calls", ())]
    assert len(ids) == 3 == len(set(ids))


async def timed(consumer_s: Sequence[float] = ()) -> tuple[list[float], float]:
    """When each of ten tokens came, and the end, for a consumer that lingers over the first ones."""
    loop, times = asyncio.get_running_loop(), list[float]()
    model = RehearsalModel(ttft_ms=300, tokens_per_s=10)
    async for delta in model.stream(ChatRequest(messages=user(f'"{"x" * 40}"'))):
        times.append(loop.time())
        if isinstance(delta, TextDelta) and len(times) <= len(consumer_s):
            await asyncio.sleep(consumer_s[len(times) - 1])
    *tokens, finish, _ = times
    return tokens, finish


def run_virtually(consumer_s: Sequence[float] = ()) -> tuple[list[float], float]:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(timed(consumer_s))


def test_the_first_token_comes_after_ttft_and_others_at_the_given_speed() -> None:
    tokens, end = run_virtually()
    assert tokens == pytest.approx([0.3 + n / 10 for n in range(10)])
    assert end == pytest.approx(1.3)


def test_a_late_consumer_delays_no_later_token() -> None:
    tokens, end = run_virtually(consumer_s=[0.25, 0.05])
    assert tokens == pytest.approx([0.3, 0.55, 0.6, *(0.3 + n / 10 for n in range(3, 10))])
    assert end == pytest.approx(1.3)


def test_the_loop_runs_while_the_model_catches_up() -> None:
    async def main() -> int:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.ensure_future(count())
        await deltas_of(RehearsalModel(ttft_ms=0, tokens_per_s=1e9), user(f'"{"x" * 400}"'), futures=True)
        counting.cancel()
        return turns

    assert asyncio.run(main()) >= 10


def test_a_stream_may_be_closed_in_the_middle() -> None:
    async def main() -> Delta:
        stream = RehearsalModel(ttft_ms=0, tokens_per_s=1e9).stream(ChatRequest(messages=user('"Hello there."')))
        first = await anext(stream)
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        return first

    assert asyncio.run(main()) == TextDelta(text="Hell")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(value=JSON, futures=st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_literal_of_the_plan_is_streamed_as_the_same_json(value: Any, futures: bool) -> None:
    ((_, arguments),) = Talk(futures=futures).say(f"search({value!r}, limit=({value!r},))")
    assert arguments == {"city": value, "limit": [value]}
    assert json.dumps(arguments).encode()


def test_a_lone_surrogate_is_streamed_as_an_escape() -> None:
    model = RehearsalModel(ttft_ms=0, tokens_per_s=1e9)
    deltas = asyncio.run(deltas_of(model, user(r'search("\ud800é")'), futures=True))
    text = "".join(str(delta.arguments or "") for delta in deltas if isinstance(delta, CallDelta))
    assert text == r'{"city": "\ud800\u00e9"}'
