"""The policies for retries: how often, after which pauses, and after which failures."""

import pytest

from asyncfc_jupyter.errors import ServerError, ServerTimedOut
from asyncfc_jupyter.retry_policy import REPLIES, REQUESTS, tool_attempts

BUSY = ServerError("busy", transient=True)
LATE = ServerTimedOut("late", transient=True)
SERVERS = pytest.mark.parametrize("policy", [REQUESTS, REPLIES], ids=["requests", "replies"])


def asked_to_wait(seconds: float) -> ServerError:
    return ServerError("wait", transient=True, retry_after_s=seconds)


@SERVERS
def test_the_pause_that_a_server_asks_for_is_kept_up_to_a_minute(policy) -> None:
    assert policy.pause_s(1, asked_to_wait(0.0)) == 0.0
    assert policy.pause_s(policy.retries, asked_to_wait(60.0)) == 60.0
    assert policy.pause_s(1, asked_to_wait(60.5)) is None


@SERVERS
def test_a_transient_server_error_is_retried_up_to_the_limit(policy) -> None:
    assert policy.pause_s(policy.retries, asked_to_wait(1.0)) == 1.0
    assert policy.pause_s(policy.retries + 1, asked_to_wait(1.0)) is None
    assert policy.pause_s(1, ServerError("no", transient=False)) is None
    assert policy.pause_s(1, RuntimeError("not a server's")) is None


def test_a_request_is_not_repeated_after_a_time_out_and_a_reply_is() -> None:
    assert REQUESTS.pause_s(1, LATE) is None
    assert REPLIES.pause_s(1, LATE) is not None


@SERVERS
@pytest.mark.parametrize(("end", "factor"), [("least", 0.5), ("most", 1.0)])
def test_pauses_for_a_server_double_and_up_to_half_is_random(policy, end, factor, monkeypatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: low if end == "least" else high)
    pauses = [policy.pause_s(failures, BUSY) for failures in range(1, policy.retries + 1)]
    assert pauses == [0.5 * 2**n * factor for n in range(policy.retries)]


def test_no_two_clients_pause_for_as_long() -> None:
    assert len({REQUESTS.pause_s(1, BUSY) for _ in range(20)}) > 10


@pytest.mark.parametrize("error", [None, RuntimeError("any"), SystemExit()])
def test_the_pauses_of_a_tool_double_up_to_ten_seconds_after_any_failure(error, monkeypatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.5)
    policy = tool_attempts(8)
    pauses = [policy.pause_s(failures, error) for failures in range(1, 10)]
    assert pauses == [pytest.approx(base + 0.1) for base in (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10)] + [None]
