"""Every refusal and every end of a reply by a server: the text, whether it is transient, and the number of requests."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import types
from collections.abc import Iterator
from typing import Any

import pytest

from asyncfc_jupyter.errors import ServerError, ServerTimedOut, UsageError
from asyncfc_jupyter.models.base import Retrying
from asyncfc_jupyter.models.connection import adapter, server_errors
from asyncfc_jupyter.models.connection.refused_fields import refused_option
from asyncfc_jupyter.models.connection.server_errors import (
    interruption,
    is_timeout,
    retry_after_s,
    server_message,
)
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.secret import Secret
from tests.models.scripted_chat import answer_with
from tests.models.scripted_model import ask
from tests.servers.scripted_server import HttpError, ScriptedServer, reply, text_chunks
from tests.suite.expected import Compare

KEY = "sk-very-secret-0123456789"
STATUSES = [
    301,
    400,
    401,
    402,
    403,
    404,
    405,
    408,
    409,
    410,
    413,
    418,
    422,
    424,
    425,
    426,
    428,
    429,
    431,
    451,
    499,
    500,
    501,
    502,
    503,
    504,
    529,
    599,
]
WORDINGS: dict[str, HttpError] = {
    "a message": HttpError(status=400, message=f"no\n good {KEY}"),
    "nothing": HttpError(status=400, body=""),
    "a page": HttpError(status=400, body="<html>no</html>"),
    "plain words": HttpError(status=400, body="no good"),
    "words as JSON": HttpError(status=400, body='"no good"'),
    "an error that is words": HttpError(status=400, body='{"error": "no good"}'),
    "a detail": HttpError(status=400, body='{"detail": "no good"}'),
    "a validator's list": HttpError(status=400, body='{"detail": [{"msg": "no"}, {"msg": "good"}, {"loc": 1}]}'),
    "a list": HttpError(status=400, body='["no", "good"]'),
    "a number": HttpError(status=400, body="5"),
    "too much by one": HttpError(status=400, message="x" * 301),
}
#: The code or type of an error, and headers that decide whether it is transient.
CODES = [
    "insufficient_quota",
    "billing_hard_limit",
    "invalid_api_key",
    "context_length_exceeded",
    "content_filter",
    "policy_violation",
    "model_not_found",
    "unsupported_value",
    "rate_limit_exceeded",
    "server_error",
    "QUOTA",
    None,
    7,
]


def outcome(error: ServerError, address: str) -> str:
    what = "timed out" if isinstance(error, ServerTimedOut) else error.status
    passing = "may pass" if error.transient else "stays"
    after = "" if error.retry_after_s is None else f", after {error.retry_after_s:g} s"
    return f"[{what}, {passing}{after}] {str(error).replace(address, 'ADDRESS')}"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts; none is waited for, and the random part is its middle."""
    taken: list[float] = []

    async def sleep(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr(adapter, "asyncio", types.SimpleNamespace(sleep=sleep))
    monkeypatch.setattr("random.uniform", lambda low, high: (low + high) / 2)
    return taken


def asked(answers: list[HttpError], pauses: list[float], **options: Any) -> Iterator[str]:
    """Yield a line for each answer: the outcome, the number of requests, and the pauses between them."""
    current: list[HttpError] = []

    async def each(server: ScriptedServer) -> list[str]:
        lines = []
        model = OpenAIChat("m", base_url=server.base_url, api_key=KEY, **options)
        for answer in answers:
            current[:] = [answer]
            before = len(server.requests)
            pauses.clear()
            try:
                await ask(model)
            except ServerError as error:
                shown = outcome(error, server.base_url)
            else:
                shown = "good"
            lines.append(f"{shown} | asked {len(server.requests) - before}, pauses {pauses}")
        return lines

    with ScriptedServer(lambda _: current[0]) as server:
        yield from asyncio.run(each(server))


def test_every_status_is_reported_and_retried_as_expected(expected: Compare, pauses: list[float]) -> None:
    answers = [HttpError(status=status, message="no good") for status in STATUSES]
    lines = [f"{status}: {shown}" for status, shown in zip(STATUSES, asked(answers, pauses), strict=True)]
    expected("refusals-by-status.txt", "\n".join(lines))


def test_every_wording_of_a_server_is_reported_as_expected(expected: Compare, pauses: list[float]) -> None:
    lines = [f"{name}: {shown}" for name, shown in zip(WORDINGS, asked([*WORDINGS.values()], pauses), strict=True)]
    expected("refusals-by-wording.txt", "\n".join(lines))


def test_every_code_and_header_decides_whether_an_error_is_transient(expected: Compare, pauses: list[float]) -> None:
    answers = {
        **{f"429 code {code}": HttpError(status=429, fields={"code": code}) for code in CODES},
        **{f"429 type {code}": HttpError(status=429, fields={"type": code}) for code in CODES},
        "503 code insufficient_quota": HttpError(status=503, fields={"code": "insufficient_quota"}),
        "400 to be retried": HttpError(status=400, headers={"x-should-retry": "true"}),
        "503 not to be retried": HttpError(status=503, headers={"x-should-retry": "false"}),
        "503 with a wish of another kind": HttpError(status=503, headers={"x-should-retry": "maybe"}),
        **{
            f"429 retry-after{unit} {value}": HttpError(status=429, headers={f"retry-after{unit}": value})
            for unit in ("", "-ms")
            for value in ("0", "0.25", "60", "60.001", "60000", "60001", "-1", "nan", "inf", "soon")
        },
        "429 in both forms": HttpError(status=429, headers={"retry-after": "7", "retry-after-ms": "30"}),
        "429 in both forms, one of them bad": HttpError(
            status=429, headers={"retry-after": "7", "retry-after-ms": "x"}
        ),
        "429 after a date gone by": HttpError(status=429, headers={"retry-after": "Wed, 01 Jan 2020 00:00:00 GMT"}),
    }
    lines = [f"{name}: {shown}" for name, shown in zip(answers, asked([*answers.values()], pauses), strict=True)]
    expected("refusals-by-code.txt", "\n".join(lines))


@pytest.mark.parametrize(
    ("retries", "expects"), [(0, []), (1, [0.375]), (2, [0.375, 0.75]), (4, [0.375, 0.75, 1.5, 3.0])]
)
def test_a_request_is_retried_as_often_as_is_set(retries, expects, pauses) -> None:
    (told,) = asked([HttpError(status=503)], pauses, retries=retries)
    assert told.endswith(f"| asked {retries + 1}, pauses {expects}")
    assert (f"(asked {retries + 1} times)" in told) == (retries > 0)


def test_each_retry_is_reported_before_its_pause(pauses: list[float]) -> None:
    busy, answer = HttpError(status=503, message="busy"), reply(text_chunks("a"))

    with ScriptedServer([busy, HttpError(status=429, headers={"retry-after": "2"}), answer]) as server:
        deltas = asyncio.run(ask(OpenAIChat("m", base_url=server.base_url, api_key=KEY)))
    assert deltas[:2] == [
        Retrying(
            attempt=1, message=f"{server.base_url} failed (503): busy; look at its log, or try later.", pause_s=0.375
        ),
        Retrying(
            attempt=2,
            message=f"{server.base_url} limits requests (429): scripted; wait, or raise the limit.",
            pause_s=2.0,
        ),
    ]
    assert pauses == [0.375, 2.0]


def test_an_error_asked_for_several_times_says_so_and_keeps_the_rest(monkeypatch, pauses: list[float]) -> None:
    def failure(error: ServerError, retries: int) -> ServerError:
        async def refuse(*_: Any) -> None:
            raise error

        monkeypatch.setattr(OpenAIChat, "_open", refuse)
        with pytest.raises(ServerError) as caught:
            asyncio.run(ask(OpenAIChat("m", api_key=KEY, retries=retries)))
        return caught.value

    error = ServerError("busy.", status=503, transient=True, retry_after_s=9.0)
    told = failure(error, 1)
    assert (str(told), told.status, told.transient, told.retry_after_s) == ("busy (asked 2 times).", 503, True, 9.0)
    assert failure(error, 0) is error
    unanswered = ServerError("nobody.", transient=True)
    assert failure(unanswered, 2) is unanswered
    assert pauses == [9.0, 0.375, 0.75]


# -- replies that are cut off ----------------------------------------------------------------------------------------


class ReadTimeout(Exception):
    """An error of the HTTP library."""


class Broke(Exception):
    """An error with a body, or without one."""

    def __init__(self, body: Any = None) -> None:
        super().__init__("words of its own")
        self.body = body


def test_every_end_of_a_reply_by_an_error_is_reported_as_expected(expected: Compare) -> None:
    ends = [
        ReadTimeout(),
        Broke(),
        Broke("gone"),
        Broke({"message": f"gone {KEY}", "code": "context_length_exceeded"}),
        Broke({"message": "gone", "type": "invalid_request_error"}),
        Broke({"message": "gone", "code": "server_error"}),
        Broke(["gone"]),
        Broke(5),
        "gone",
        "<html>",
        "",
        {"message": "gone"},
        {"detail": "gone"},
        {"code": "insufficient_quota"},
        {"message": None},
        ["gone"],
        5,
        None,
        True,
        ConnectionError("lost"),
    ]
    lines = []
    for end in ends:
        error = interruption(end, address="ADDRESS", timeout_s=2.5)
        given = f"{type(end).__name__}({end.body!r})" if isinstance(end, Broke) else repr(end)
        lines.append(f"{given}: {outcome(error, 'ADDRESS')}")
    expected("replies-cut-off.txt", "\n".join(lines))


def test_a_time_out_is_recognised_by_each_of_its_classes() -> None:
    assert is_timeout(ReadTimeout())
    assert is_timeout(TimeoutError())
    assert not is_timeout(ConnectionError())
    assert not is_timeout({"Timeout": 1})


# -- what a server says of an option ---------------------------------------------------------------------------------


def refused(
    message: str, *, status: int = 400, names: tuple[str, ...] = ("top_k", "seed", "n"), **body: Any
) -> str | None:
    error = types.SimpleNamespace(status_code=status, body={"message": message, **body})
    return refused_option(error, dict.fromkeys(names))


@pytest.mark.parametrize(
    "word",
    [
        "unknown",
        "Unsupported",
        "unrecognized",
        "unrecognised",
        "unexpected",
        "not supported",
        "not permitted",
        "not allowed",
        "forbidden",
    ],
)
def test_every_word_for_an_option_that_is_not_known_is_understood(word: str) -> None:
    assert refused(f"{word}: seed") == "seed"
    assert refused(f"{word}: seed", status=422) == "seed"
    assert refused(f"{word}: seed", status=401) is None
    assert refused("wrong: seed") is None


def test_an_option_is_found_by_its_whole_name_and_by_param_first() -> None:
    assert refused("unknown: seed and top_k") == "top_k"
    assert refused("unknown: seed and top_k", param="seed") == "seed"
    assert refused("unknown: seed and top_k", param="temperature") == "top_k"
    assert refused("unknown: top_k_max, max-seed, seeds") is None
    assert refused("unknown: body.seed.") == "seed"
    assert refused("unknown: nothing of ours", names=()) is None


def test_a_servers_words_are_one_line_of_three_hundred_characters_at_most() -> None:
    for length, shown in ((299, "x" * 299), (300, "x" * 300), (301, "x" * 299 + "…")):
        assert server_message({"message": "x" * length}) == f": {shown}"
    assert server_message({"message": " a\n\tb "}) == ": a b"
    Secret(KEY)
    assert server_message({"message": f"a {KEY} b"}) == ": a *** b"
    assert server_message({"message": "<b>"}) == server_message({"message": ""}) == server_message({}) == ""
    assert server_message(types.SimpleNamespace(body=None, message="its own")) == ": its own"


class Headers(dict):
    """Headers of a response."""


def seconds(**headers: str) -> float | None:
    named = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return retry_after_s(types.SimpleNamespace(response=types.SimpleNamespace(headers=named)))


def test_a_pause_that_is_asked_for_is_read_in_all_its_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(dt.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> dt.datetime:
            return dt.datetime(2030, 1, 1, 12, 0, 0, tzinfo=dt.UTC)

    stopped = types.SimpleNamespace(UTC=dt.UTC, datetime=Clock)
    monkeypatch.setattr(server_errors, "dt", stopped)
    assert seconds(retry_after="Tue, 01 Jan 2030 12:00:30 GMT") == 30.0
    assert seconds(retry_after="Tue, 01 Jan 2030 13:00:30 +0100") == 30.0
    assert seconds(retry_after="Tue, 01 Jan 2030 12:00:30 -0000") == 30.0  # without a zone it is UTC
    assert seconds(retry_after="Tue, 01 Jan 2030 11:00:30 GMT") == 0.0
    assert seconds(retry_after="Tue, 99 Jan 2030") is None
    assert seconds(retry_after_ms="1500", retry_after="9") == 1.5
    assert seconds(retry_after_ms="-1", retry_after="9") == 9.0
    assert seconds(retry_after="0") == 0.0
    assert seconds(retry_after="-0.001") is None
    assert seconds() is None
    assert retry_after_s(types.SimpleNamespace()) is None


# -- the adapter --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["", "ftp://host", "http://", "https:///v1", "http://[::1"])
def test_a_text_that_is_not_a_web_address_is_refused(url: str) -> None:
    with pytest.raises(
        UsageError, match=r"^base_url is '.*', which is not an address; write one such as http://127\.0\.0\.1"
    ):
        OpenAIChat("m", base_url=url, api_key=KEY)


def test_an_adapter_takes_its_settings_and_defaults_for_the_rest() -> None:
    plain = OpenAIChat("m", base_url=None, api_key=None)
    assert (plain.secrets, plain._address, plain._refused) == ((), "the model's server", set())
    assert (plain._timeout_s, plain._policy.retries) == (300.0, 2)
    secret = Secret(KEY)
    given = OpenAIChat("m", base_url="http://u@host/v1", api_key=secret, timeout_s=0.0, retries=0)
    assert given.secrets[0] is secret
    assert (given._address, given._timeout_s, given._policy.retries) == ("http://host/v1", 0.0, 0)


@pytest.mark.parametrize(("timeout_s", "connect_s"), [(4.0, 4.0), (5.0, 5.0), (6.0, 5.0), (None, 5.0)])
def test_a_request_waits_for_a_connection_five_seconds_at_most(monkeypatch, timeout_s, connect_s) -> None:
    sent: list[Any] = []

    def post(path: str, **parameters: Any) -> bytes:
        sent.append(parameters["options"]["timeout"])
        return b'data: {"choices": [{"finish_reason": "stop"}]}'

    answer_with(post, monkeypatch, close=OSError("the line is gone already"))  # the reply's own text is kept
    model = OpenAIChat("m", api_key=KEY, timeout_s=timeout_s)
    assert len(asyncio.run(ask(model))) == 1
    assert (sent[0].connect, sent[0].read) == (connect_s, timeout_s or 300.0)
    assert model._address == "http://x/v1"


def test_a_refusal_without_a_field_to_leave_out_is_an_error() -> None:
    """A pattern counts only with the right status, and a name only once."""
    error = types.SimpleNamespace(status_code=500, body={"message": "unknown: async"})
    patterns = {"async": re.compile("async"), "seed": None}
    assert refused_option(error, patterns) is None
    for status in (400, 422):
        error = types.SimpleNamespace(status_code=status, body={"message": "async is bad"})
        assert refused_option(error, patterns) == "async"
        error = types.SimpleNamespace(status_code=status, body={"message": "unknown seed"})
        assert refused_option(error, patterns) == "seed"
    assert refused_option(error, {"async": patterns["async"]}) is None
