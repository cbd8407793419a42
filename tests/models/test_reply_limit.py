"""The limit of a reply's tokens, extra headers and extra fields of tools, as each API sends them and as servers refuse them."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest

from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.masking import mask
from asyncfc_jupyter.models.base import ChatRequest
from asyncfc_jupyter.models.headers import problem_with_header
from asyncfc_jupyter.models.openai.async_tools import OpenAINative
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.openai.responses import OpenAIResponses
from tests.models.scripted_chat import KEY, MESSAGES
from tests.servers.response_script import response, text_item
from tests.servers.scripted_server import Answer, HttpError, ScriptedServer, reply, text_chunks
from tests.suite.expected import Compare

MODELS = {"chat": OpenAIChat, "responses": OpenAIResponses, "native": OpenAINative}
NAMES = ("max_tokens", "max_completion_tokens", "max_output_tokens")
STRICT = {"type": "function", "function": {"name": "get", "parameters": {"type": "object"}, "strict": True}}


def ends(body: dict[str, Any]) -> Answer:
    return reply(text_chunks("a")) if "messages" in body else response(text_item("a"))


async def sent(model: OpenAIChat | OpenAIResponses, *limits: int | None, tools: Any = (), options: Any = None) -> None:
    for most in limits:
        request = ChatRequest(messages=MESSAGES, most_tokens=most, tools=tools, options=options or {})
        async for _ in model.stream(request):
            pass


def limits_of(server: ScriptedServer) -> list[dict[str, Any]]:
    return [{name: request.body[name] for name in NAMES if name in request.body} for request in server.requests]


def asked(api: str, answers: Any, *limits: int | None, **options: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """The limits in the requests of one model, and what it warned of."""
    with ScriptedServer(answers) as server, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        asyncio.run(sent(MODELS[api]("m", base_url=server.base_url, api_key=KEY, options=options), *limits))
    return limits_of(server), [str(one.message).replace(server.base_url, "ADDRESS") for one in warned]


def refuses(field: str, message: str) -> Any:
    def policy(body: dict[str, Any]) -> Answer:
        return HttpError(status=400, message=message) if field in body else ends(body)

    return policy


# -- the limit -------------------------------------------------------------------------------------------------------


def test_every_limit_of_a_reply_is_sent_as_expected(expected: Compare) -> None:
    """By API, by what is left of a budget, and by what the user set."""
    users: list[dict[str, Any]] = [{}, *({name: value} for name in NAMES for value in (50, None))]
    lines = []
    for api in MODELS:
        for options in users:
            seen, warned = asked(api, ends, None, 1, 40, 60, 16_384, 16_385, **options)
            assert warned == []
            lines += [f"{api}, user: {options}", *(f"  {limit}" for limit in seen)]
    expected("limits-of-replies.txt", "\n".join(lines))


UNSUPPORTED = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
)


def test_a_refused_name_of_the_limit_is_replaced_by_the_other_one() -> None:
    seen, warned = asked("chat", refuses("max_tokens", UNSUPPORTED), 40, 30)
    assert seen == [{"max_tokens": 40}, {"max_completion_tokens": 40}, {"max_completion_tokens": 30}]
    assert warned == []


def test_a_user_is_warned_of_a_name_that_is_replaced() -> None:
    seen, warned = asked("chat", refuses("max_tokens", UNSUPPORTED), None, 30, max_tokens=50)
    assert seen == [{"max_tokens": 50}, {"max_completion_tokens": 50}, {"max_completion_tokens": 30}]
    assert warned == [
        "ADDRESS refuses the option 'max_tokens'; 'max_completion_tokens' is sent in its place from now on."
    ]


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens: Extra inputs are not permitted",
        "max_tokens is too large: 4000. This model supports at most 2048 completion tokens",
        "'max_tokens' or 'max_completion_tokens' is too large: 4000",
        "maximum context length is 4096 tokens, you requested 4100 tokens (100 in the messages, 4000 in the completion)",
    ],
)
@pytest.mark.parametrize("field", NAMES)
def test_a_limit_that_the_user_did_not_set_is_left_out_without_harm(field: str, message: str) -> None:
    api = "responses" if field == "max_output_tokens" else "chat"
    seen, warned = asked(api, refuses(field, message.replace("max_tokens", field)), 4000, 4000)
    assert (seen[0], warned) == ({"max_output_tokens" if api == "responses" else "max_tokens": 4000}, [])
    assert field not in seen[-1]
    assert len(seen) <= 4


def test_a_value_of_the_user_that_is_out_of_range_is_an_error() -> None:
    with pytest.raises(ServerError, match="max_tokens is too large"):
        asked("chat", refuses("max_tokens", "max_tokens is too large: 9000"), 9000, max_tokens=9000)


# -- extra fields of tools -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", MODELS)
def test_an_extra_field_that_is_refused_is_left_out_with_one_warning(api: str) -> None:
    def policy(body: dict[str, Any]) -> Answer:
        field = "tools[0].function.cache" if "messages" in body else "tools[0].cache"
        refusal = HttpError(status=400, message=f"Unknown parameter: '{field}'.", fields={"param": field})
        return refusal if '"cache"' in str(body["tools"]).replace("'", '"') else ends(body)

    tool = {**STRICT, "function": {**STRICT["function"], "cache": {"type": "short"}}}  # type: ignore[dict-item]
    with (
        ScriptedServer(policy) as server,
        pytest.warns(UserWarning, match="refuses the option 'cache'; it is left out from now on") as warned,
    ):
        asyncio.run(sent(MODELS[api]("m", base_url=server.base_url, api_key=KEY), None, None, tools=[tool]))
    functions = [request.body["tools"][0] for request in server.requests]
    functions = [each.get("function", each) for each in functions]
    assert [("cache" in each, each["strict"]) for each in functions] == [(True, True), (False, True), (False, True)]
    assert len(warned) == 1


def test_a_server_of_responses_that_does_not_know_strict_is_served() -> None:
    def policy(body: dict[str, Any]) -> Answer:
        known = "strict" not in body["tools"][0]
        return ends(body) if known else HttpError(status=400, message="Unknown parameter: 'tools[0].strict'.")

    plain = {"type": "function", "function": {"name": "get", "parameters": {"type": "object"}}}
    with ScriptedServer(policy) as server:
        asyncio.run(sent(OpenAIResponses("m", base_url=server.base_url, api_key=KEY), None, tools=[plain]))
    assert ["strict" in request.body["tools"][0] for request in server.requests] == [True, False]


# -- extra headers ---------------------------------------------------------------------------------------------------

SECRET = "gw-c93jf02mfk38fj3l"


@pytest.mark.parametrize("api", MODELS)
def test_extra_headers_are_sent_with_each_request(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_GATEWAY_KEY", SECRET)
    headers = {
        "X-Title": "my notebook",
        "user-agent": "mine/1",
        "x-gateway-key": "env:MY_GATEWAY_KEY",
        "Helicone-Auth": "Bearer env:MY_GATEWAY_KEY",
    }
    with ScriptedServer(ends) as server:
        model = MODELS[api]("m", base_url=server.base_url, api_key=KEY, headers=headers)
        asyncio.run(sent(model, None, None))
    for request in server.requests:
        assert request.headers["x-title"] == "my notebook"
        assert request.headers["user-agent"] == "mine/1"
        assert request.headers["x-gateway-key"] == SECRET
        assert request.headers["helicone-auth"] == f"Bearer {SECRET}"
        assert request.headers["authorization"] == f"Bearer {KEY}"
    assert mask(f"so {SECRET} it is") == "so *** it is"
    assert SECRET not in repr(vars(model))
    assert [secret.reveal() for secret in model.secrets] == [KEY, SECRET, f"Bearer {SECRET}"]


def test_extra_headers_do_not_follow_a_redirect() -> None:
    with ScriptedServer(ends) as other:
        there = HttpError(status=307, headers={"location": f"{other.base_url}/chat/completions"})
        with ScriptedServer([there]) as server, pytest.raises(ServerError):
            asyncio.run(sent(OpenAIChat("m", base_url=server.base_url, api_key=KEY, headers={"X-Title": "mine"}), None))
        assert other.requests == []


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("Authorization", f"Bearer {KEY}", "name the variable that holds the key with api_key_env (--api-key-env)"),
        ("x-api-key", "abc", '"x-api-key: env:MY_KEY"'),
        ("Cookie", "session=1", '"Cookie: env:MY_KEY"'),
        ("X-Note", f"see {KEY}", '"X-Note: env:MY_KEY"'),
        ("X-Key-Of", "env:a b", '"X-Key-Of: Bearer env:MY_KEY"'),
        ("X-Note", "a\nb", "one line of printable ASCII"),
        ("X-Note", "é", "one line of printable ASCII"),
        ("X-Note", "", "one line of printable ASCII"),
        ("X-Note", 5, "one line of printable ASCII"),
        ("X Note", "a", "is a word of letters, digits and dashes"),
        ("X-Note\r\nX-Other", "a", "is a word of letters, digits and dashes"),
        ("Content-Length", "3", "belongs to the connection"),
        ("x-key", "env:ASYNCFC_NOT_SET", "ASYNCFC_NOT_SET, which is not set"),
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_by_its_name(name: str, value: Any, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        OpenAIChat("m", api_key=KEY, headers={name: value})
    assert says in str(caught.value)
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["HTTP-Referer", "X-Title", "anthropic-beta", "Helicone-Property-App", "X-Author"])
def test_headers_of_gateways_are_taken(name: str) -> None:
    assert problem_with_header(name, "https://example.com/a?b=c") is None
