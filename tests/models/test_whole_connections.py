"""Every trouble on the way to a server: one line that says what happened and the way out, as a run and the doctor show it.

The bytes come from servers that are no HTTP servers, from proxies, from gateways, and over TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import socket
import ssl
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from asyncfc_jupyter import Agent
from asyncfc_jupyter.agent import loop
from asyncfc_jupyter.errors import AsyncFCError, ServerError, UsageError
from asyncfc_jupyter.models.base import ChatRequest, Retrying
from asyncfc_jupyter.models.catalog import Where
from asyncfc_jupyter.models.connection import adapter
from asyncfc_jupyter.models.connection.unreachable import unreachable
from asyncfc_jupyter.models.doctor import examine
from asyncfc_jupyter.models.openai.chat import OpenAIChat
from asyncfc_jupyter.models.openai.responses import OpenAIResponses
from tests.models.scripted_chat import MESSAGES, ask
from tests.servers.byte_server import ByteAnswer, ByteServer, certificate, http_answer
from tests.servers.scripted_server import CUT, Answer, HttpError, ScriptedServer, reply, text_chunks
from tests.suite.expected import Compare

KEY = "sk-very-secret-0123456789"
PASSWORD = "pw0rd-very-secret"
JSON = "content-type: application/json"
PAGE = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502</h1><hr>nginx/1.24</body></html>"


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, none of which is waited for; and an environment without proxies and certificates."""
    taken: list[float] = []

    async def sleep(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr(adapter, "asyncio", types.SimpleNamespace(sleep=sleep))
    monkeypatch.setattr("random.uniform", lambda low, high: (low + high) / 2)
    for name in os.environ:
        if name.lower().endswith("_proxy") or name in {"SSL_CERT_FILE", "SSL_CERT_DIR", "OPENAI_BASE_URL"}:
            monkeypatch.delenv(name)
    return taken


def line_of(error: AsyncFCError, *ports: int) -> str:
    text = str(error)
    for number, port in enumerate(ports, 1):
        text = text.replace(f":{port}", f":PORT{number}")
    if isinstance(error, ServerError):
        return f"[{type(error).__name__}, {'may pass' if error.transient else 'stays'}] {text}"
    return f"[{type(error).__name__}] {text}"


def run_at(base_url: str, **options: Any) -> AsyncFCError:
    """The error of a run."""
    with pytest.raises(AsyncFCError) as caught:
        asyncio.run(Agent("tiny", base_url=base_url, api_key=KEY, tools=[], **options).run("go"))
    assert "bug" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A port on which nothing listens, and which nothing else can take."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


# -- what answers is no server, or not the right one -------------------------------------------------------------------


def test_every_answer_that_is_none_is_reported_as_expected(expected: Compare) -> None:
    lines = []
    answers: dict[str, tuple[str, ByteAnswer, str | None]] = {
        "closes at once": ("http", b"", None),
        "closes in the middle of the head": ("http", b"HTTP/1.1 200 OK\r\ncontent-", None),
        "speaks another protocol": ("http", b"\x05\x00 not HTTP\r\n\r\n", None),
        "speaks TLS and sends an alert": ("http", bytes([21, 3, 3, 0, 2, 2, 70]), None),
        "speaks TLS": ("http", b"", "own"),
        "speaks TLS and says so (nginx)": (
            "http",
            http_answer(
                "400 Bad Request",
                "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
            ),
            None,
        ),
        "speaks TLS and says so (Go)": (
            "http",
            http_answer("400 Bad Request", "Client sent an HTTP request to an HTTPS server."),
            None,
        ),
        "speaks HTTP to TLS": ("https", http_answer("400 Bad Request"), None),
        "closes in the handshake": ("https", b"", None),
        "signed by itself": ("https", b"", "own"),
        "redirects without an address": ("http", http_answer("301 Moved Permanently"), None),
    }
    for name, (scheme, answer, tls) in answers.items():
        with ByteServer(answer, tls=tls) as server:
            lines.append(f"{name}: {line_of(run_at(f'{scheme}://127.0.0.1:{server.port}/v1'), server.port)}")
    with refusing_port() as port:
        lines.append(f"nothing listens: {line_of(run_at(f'http://127.0.0.1:{port}/v1'), port)}")
    lines.append(f"no such name: {line_of(run_at('http://models.invalid/v1'))}")
    expected("connections.txt", "\n".join(lines))


@pytest.mark.parametrize(
    ("trusted", "served", "says"),
    [
        ("own", "expired", "is not trusted (self-signed certificate); if the server is your own"),
        ("expired", "expired", "has expired; renew it"),
        ("future", "future", "is not valid yet; look at the clocks"),
        ("elsewhere", "elsewhere", "is for another name (IP address mismatch"),
    ],
)
def test_a_certificate_is_refused_for_its_own_reason(monkeypatch, trusted: str, served: str, says: str) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate(trusted))
    with ByteServer(b"", tls=served) as server:
        error = run_at(f"https://127.0.0.1:{server.port}/v1")
        assert len(server.received) == 0, "no request is sent, and so no key"
    assert says in str(error)
    assert not getattr(error, "transient", True)
    assert ("which is" in str(error)) == (trusted != served), "it says which file is set already"


def test_a_server_whose_certificate_is_named_answers(monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate("own"))
    body = "".join(
        f"data: {each}\n\n"
        for each in ('{"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}', "[DONE]")
    )
    with ByteServer(http_answer("200 OK", body, "content-type: text/event-stream"), tls="own") as server:
        run = asyncio.run(Agent("m", base_url=f"https://127.0.0.1:{server.port}/v1", tools=[]).run("go"))
    assert run.answer == "hi"


# -- proxies -----------------------------------------------------------------------------------------------------------


def test_every_refusal_of_a_proxy_is_reported_as_expected(expected: Compare, monkeypatch) -> None:
    lines = []
    https, http, box = "https://models.example/v1", "http://models.example/v1", "http://gpubox:8000/v1"
    answers: dict[str, tuple[str, bytes]] = {
        "asks for a login, tunnel": (https, http_answer("407 Proxy Authentication Required")),
        "asks for a login, forward": (http, http_answer("407 Proxy Authentication Required", PAGE)),
        "forbids, tunnel": (https, http_answer("403 Forbidden")),
        "forbids, forward": (http, http_answer("403 Forbidden", "<html><title>Access denied</title></html>")),
        "cannot connect, tunnel": (https, http_answer("502 Bad Gateway")),
        "cannot connect, forward": (http, http_answer("502 Bad Gateway", PAGE)),
        "cannot connect, private": (box, http_answer("503 Service Unavailable", PAGE)),
        "closes, tunnel": (https, b""),
        "closes, forward": (http, b""),
        "the server refuses through the proxy": (http, http_answer("503 Busy", '{"error": {"message": "busy"}}', JSON)),
    }
    for name, (url, answer) in answers.items():
        with ByteServer(answer) as proxy:
            for variable in ("HTTP_PROXY", "HTTPS_PROXY"):
                monkeypatch.setenv(variable, f"http://me:{PASSWORD}@127.0.0.1:{proxy.port}")
            lines.append(f"{name}: {line_of(run_at(url), proxy.port)}")
            assert not any(KEY.encode() in each for each in proxy.received if each.startswith(b"CONNECT"))
    with refusing_port() as port:
        for variable in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(variable, f"http://me:{PASSWORD}@127.0.0.1:{port}")
        lines += [f"is not there, {url}: {line_of(run_at(url), port)}" for url in (https, http, box)]
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    lines.append(f"has a wrong name: {line_of(run_at(https))}")
    expected("proxies.txt", "\n".join(lines))


# -- what cannot be made to happen here ----------------------------------------------------------------------------------


def chain(*errors: BaseException) -> BaseException:
    """Return the first of these exceptions, each raised from the next, one of them "from None" as the libraries do."""
    for error, cause in itertools.pairwise(errors):
        error.__cause__, error.__context__ = (None, cause) if len(errors) > 2 else (cause, cause)
    return errors[0]


class ConnectError(Exception):
    """Of the HTTP library."""


class ConnectTimeout(Exception):
    """Of the HTTP library."""


class ProxyError(Exception):
    """Of the HTTP library."""


def failed(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def tls(reason: str, kind: type[ssl.SSLError] = ssl.SSLError) -> ssl.SSLError:
    error = kind(1, f"[SSL: {reason}] in some words")
    error.reason = reason
    return error


def test_every_cause_of_a_connection_that_fails_is_reported_as_expected(expected: Compare, monkeypatch) -> None:
    group = OSError("All connection attempts failed")
    group.__cause__ = ExceptionGroup("several", [failed(errno.ECONNREFUSED), failed(errno.ENETUNREACH)])
    causes: dict[str, tuple[BaseException, ...]] = {
        "refused at each address": (ConnectError(), group),
        "no route": (ConnectError(), OSError("All connection attempts failed"), failed(errno.EHOSTUNREACH)),
        "no network": (ConnectError(), failed(errno.ENETUNREACH)),
        "the system's time-out": (ConnectError(), failed(errno.ETIMEDOUT)),
        "time-out": (ConnectTimeout(), TimeoutError()),
        "too many open files": (ConnectError(), failed(errno.EMFILE)),
        "forbidden": (ConnectError(), failed(errno.EACCES)),
        "no name servers": (ConnectError(), socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")),
        "the server wants a certificate": (ConnectError(), tls("TLSV13_ALERT_CERTIFICATE_REQUIRED")),
        "no common version": (ConnectError(), tls("TLSV1_ALERT_PROTOCOL_VERSION")),
        "not TLS": (ConnectError(), tls("WRONG_VERSION_NUMBER")),
        "no cause": (ConnectError("in words of its own"),),
        "SOCKS": (ProxyError("Proxy Server could not connect: Connection refused."),),
        "SOCKS, login": (
            ProxyError("Requested NO AUTHENTICATION REQUIRED from proxy server, but got NO ACCEPTABLE METHODS."),
        ),
    }
    lines = []
    for proxy in ("", "https://p:1"):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        reached = "https://models.example/v1"
        lines += [f"{name}: {line_of(unreachable(chain(*errors), reached))}" for name, errors in causes.items()]
        lines.append(f"refused, private: {line_of(unreachable(failed(errno.ECONNREFUSED), 'http://gpubox:8000/v1'))}")
    expected("causes.txt", "\n".join(lines))


def test_a_chain_of_causes_that_is_a_circle_has_an_end() -> None:
    first, second = ConnectError("a"), ConnectError("b")
    first.__cause__, second.__cause__ = second, first
    assert "no connection to https://x.example/v1 (b)" in str(unreachable(first, "https://x.example/v1"))


# -- addresses ---------------------------------------------------------------------------------------------------------


def test_blanks_and_a_fragment_of_an_address_do_not_count() -> None:
    with ScriptedServer([reply(text_chunks("hi"))] * 2) as server:
        for url in (f" {server.base_url}/\n", f"\ufeff{server.base_url}\u00a0#top"):
            assert asyncio.run(Agent("m", base_url=url, tools=[]).run("go")).answer == "hi"
    assert {request.path for request in server.requests} == {"/v1/chat/completions"}


@pytest.mark.parametrize("kind", [OpenAIChat, OpenAIResponses])
def test_the_query_of_an_address_goes_with_each_request(kind: Any) -> None:
    with ByteServer(http_answer("400 Bad Request", "no good")) as server:
        url = f"http://127.0.0.1:{server.port}/openai/deployments/d?api-version=2024-10-21&x=a%20b"
        with pytest.raises(ServerError, match="no good"):
            asyncio.run(ask(kind("m", base_url=url, api_key=KEY)))
    assert (
        server.received[0].split(b" ")[1] == f"/openai/deployments/d{kind.path}?api-version=2024-10-21&x=a%20b".encode()
    )


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("localhost:8000/v1", "does not say how to reach it; write http://localhost:8000/v1"),
        ("http://", "base_url is 'http:', which is not an address; write one such as"),
        ("http://a b/v1", "base_url is 'http://a b/v1', which is not an address;"),
        (f"ftp://me:{PASSWORD}@host/v1?key={KEY}", "base_url is 'ftp://host/v1', which is not an address;"),
        (
            "http://h:1/v1/chat/completions",
            "base_url ends in /chat/completions, which each request adds itself; write http://h:1/v1",
        ),
        (
            "http://h:1/v1/responses/",
            "base_url ends in /responses, which each request adds itself; write http://h:1/v1 ",
        ),
        ("x" * 500 + "://h", "…', which is not an address;"),
    ],
)
def test_an_address_that_cannot_be_used_is_shown_without_its_keys(url: str, says: str) -> None:
    error = run_at_once(lambda: Agent("tiny", base_url=url, api_key=KEY, tools=[]))
    assert says in str(error)
    assert len(str(error)) < 250


def run_at_once(make: Callable[[], object]) -> UsageError:
    with pytest.raises(UsageError) as caught:
        make()
    assert KEY not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    return caught.value


def below_v1(path: str) -> bytes:
    """A server that has its API below /v1, as Ollama does."""
    if path == "/v1/models":
        return http_answer("200 OK", '{"data": []}', JSON)
    return http_answer("404 Not Found", "404 page not found")


@pytest.mark.parametrize("given", ["", "/", "/api", "/v1/x"])
def test_an_address_without_v1_is_corrected_where_the_server_answers(given: str) -> None:
    with ByteServer(lambda head: below_v1(head.split(b" ")[1].decode())) as server:
        at = f"http://127.0.0.1:{server.port}"
        error = run_at(at + given)
    assert str(error) == (
        f"{at}{given.rstrip('/')} has no /chat/completions (404), and its server answers at {at}/v1; set base_url to that "
        "(--base-url)."
    )


REDIRECTS: dict[str, str] = {
    "301 Moved Permanently": "https://models.example/v1/chat/completions",
    "302 Found": "https://sso.example/login?next=%2Fv1&token=" + KEY,
    "303 See Other": "/elsewhere",
}


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("then", [http_answer("405 Method Not Allowed"), http_answer("200 OK", "<html>Log in</html>")])
def test_a_redirect_that_loses_the_request_names_where_it_leads(monkeypatch, status: str, then: bytes) -> None:
    with (
        ByteServer(then) as proxy,
        ByteServer(http_answer(status, "", f"location: {REDIRECTS[status]}"), then) as server,
    ):
        to = REDIRECTS[status].replace("https://models.example", f"http://127.0.0.1:{proxy.port}")
        to = to.replace("https://sso.example", f"http://127.0.0.1:{proxy.port}")
        server._answers = (http_answer(status, "", f"location: {to}"), then)
        error = run_at(f"http://127.0.0.1:{server.port}/v1")
    shown = to.partition("?")[0].removesuffix("/chat/completions")
    shown = shown if shown.startswith("http") else f"http://127.0.0.1:{server.port}{shown}"
    assert f"redirects the request to {shown} ({status[:3]}); set base_url to" in str(error)


def test_a_redirect_to_a_server_that_is_not_there_names_that_server() -> None:
    with refusing_port() as port:
        moved = http_answer(
            "307 Temporary Redirect", "", f"location: http://127.0.0.1:{port}/v1/chat/completions?key={KEY}"
        )
        with ByteServer(moved) as server:
            error = run_at(f"http://127.0.0.1:{server.port}/v1")
    to = f"http://127.0.0.1:{port}/v1/chat/completions"
    assert f":{server.port}/v1 redirects the request to {to}, which cannot be reached (" in str(error)
    assert KEY not in str(error)


# -- what servers say --------------------------------------------------------------------------------------------------

#: 404 by servers that lack the path, and by servers that lack the model.
NOT_FOUND = {
    "FastAPI": '{"detail": "Not Found"}',
    "llama.cpp": '{"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}',
    "Ollama": "404 page not found",
    "LM Studio": '{"error": "Unexpected endpoint or method. (POST /v1/responses)"}',
    "Express": "<html><title>Error</title><pre>Cannot POST /v1/responses</pre></html>",
    "OpenAI": '{"error": {"message": "Invalid URL (POST /v1/x)", "type": "invalid_request_error"}}',
    "nothing": "",
    "nginx": "<html><head><title>404 Not Found</title></head></html>",
    "vLLM, model": '{"message": "The model `tiny` does not exist.", "type": "NotFoundError", "code": 404}',
    "OpenAI, model": '{"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}',
    "Ollama, model": '{"error": {"message": "model \\"tiny\\" not found, try pulling it first", "type": "api_error"}}',
    "Azure, model": '{"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}}',
    "unclear": '{"error": {"message": "no good"}}',
}
#: Statuses with the words of servers that say more than the status.
OTHERS = {
    "a key, refused": (401, '{"error": {"message": "Incorrect API key provided: KEY."}}'.replace("KEY.", f"{KEY}.")),
    "a gateway's page": (502, PAGE),
    "a page without a title": (500, "<html><body>no</body></html>"),
    "no payment": (402, '{"error": {"message": "Insufficient credits", "code": 402}}'),
    "quota": (429, '{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}'),
    "rate": (429, '{"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}'),
    "too large (nginx)": (413, "<html><head><title>413 Request Entity Too Large</title></head></html>"),
    "no JSON": (415, '{"detail": "Unsupported Media Type"}'),
    "not implemented": (501, '{"error": {"message": "Responses are not implemented"}}'),
    "a portal": (511, "<html><title>Log in</title></html>"),
    "a model that does not load": (500, '{"error": {"message": "error loading model: out of memory"}}'),
}


def test_every_refusal_in_a_servers_words_is_reported_as_expected(expected: Compare) -> None:
    lines = []
    for name, body in NOT_FOUND.items():
        with ByteServer(http_answer("404 Not Found", body, *([JSON] if body.startswith("{") else []))) as server:
            error = run_at(f"http://127.0.0.1:{server.port}/v1", api="responses")
            lines.append(f"404 {name}: {line_of(error, server.port)}")
    for name, (status, body) in OTHERS.items():
        with ByteServer(http_answer(f"{status} Scripted", body, *([JSON] if body.startswith("{") else []))) as server:
            lines.append(f"{status} {name}: {line_of(run_at(f'http://127.0.0.1:{server.port}/v1'), server.port)}")
    with ByteServer(http_answer("401 Unauthorized", '{"error": "no key"}', JSON)) as server:
        for options in ({}, {"server": "ollama"}):
            with pytest.raises(ServerError) as caught:
                asyncio.run(Agent("tiny", tools=[], base_url=f"http://127.0.0.1:{server.port}/v1", **options).run("go"))
            lines.append(f"401 without a key, {options.get('server', 'any')}: {line_of(caught.value, server.port)}")
    expected("refusals-in-words.txt", "\n".join(lines))


#: Refusals of a conversation that is too long, as each server words them.
TOO_LONG = {
    "OpenAI": (
        400,
        "This model's maximum context length is 4096 tokens. However, your messages resulted in 5120 tokens.",
        {"code": "context_length_exceeded"},
    ),
    "OpenAI, Responses": (
        400,
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        {"code": "context_length_exceeded"},
    ),
    "vLLM": (
        400,
        "This model's maximum context length is 2048 tokens. However, you requested 3000 tokens (2500 in the messages).",
        {"type": "BadRequestError"},
    ),
    "vLLM, prompt": (400, "The decoder prompt (length 4097) is longer than the maximum model length of 4096.", {}),
    "llama.cpp": (
        400,
        "request (5120 tokens) exceeds the available context size (4096 tokens), try increasing it",
        {"type": "exceed_context_size_error", "n_prompt_tokens": 5120, "n_ctx": 4096},
    ),
    "llama-cpp-python": (400, "Requested tokens (5120) exceed context window of 4096", {}),
    "Anthropic": (400, "prompt is too long: 208310 tokens > 200000 maximum", {"type": "invalid_request_error"}),
    "Anthropic, with the reply": (
        400,
        "input length and `max_tokens` exceed context limit: 199000 + 8000 > 200000, decrease input length or `max_tokens`",
        {"type": "invalid_request_error"},
    ),
    "Gemini": (
        400,
        "The input token count (1189236) exceeds the maximum number of tokens allowed (1048576).",
        {"status": "INVALID_ARGUMENT"},
    ),
    "Ollama": (400, "prompt too long; exceeded max context length by 1024 tokens", {}),
    "LM Studio": (
        400,
        "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 5000>= n_ctx: 4096).",
        {},
    ),
    "LM Studio, older": (
        400,
        "Trying to keep the first 5000 tokens. However, the model is loaded with context length of only 4096 tokens",
        {},
    ),
    "TGI": (
        422,
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens",
        {"error_type": "validation"},
    ),
    "TGI, older": (422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 1234", {}),
    "Mistral": (400, "Prompt contains 33000 tokens, too large for model with 32768 maximum context length", {}),
    "SGLang": (400, "The input (5000 tokens) is longer than the model's context length (4096 tokens).", {}),
    "xAI": (400, "This model's maximum prompt length is 131072 but the request contains 140000 tokens.", {}),
    "Bedrock": (400, "Input is too long for requested model.", {}),
    "Groq": (400, "Please reduce the length of the messages or completion.", {"code": "context_length_exceeded"}),
    "Cohere": (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081", {}),
    "GitHub": (
        413,
        "Request body too large for gpt-4o model. Max size: 8000 tokens.",
        {"code": "tokens_limit_reached"},
    ),
    "LiteLLM": (400, "litellm.ContextWindowExceededError: prompt of 5120 tokens", {}),
    "a server that calls it its own failure": (500, "the request exceeds the available context size", {}),
}


@pytest.mark.parametrize("server", TOO_LONG)
def test_a_conversation_that_is_too_long_is_called_that(server: str) -> None:
    status, message, fields = TOO_LONG[server]
    answer = HttpError(status=status, message=message, fields=fields, headers={"x-should-retry": "false"})
    with ScriptedServer([answer]) as scripted:
        error = str(run_at(scripted.base_url))
    assert error.startswith(f"the conversation is longer than the context at {scripted.base_url}: {message[:36]}")
    assert (
        "begin another one (--conversation), offer fewer tools, return shorter results, or start the server with a"
        in error
    )
    assert "tools' parameters" not in error


def test_a_reply_that_ends_because_it_is_too_long_is_not_asked_for_again() -> None:
    end = {"error": {"message": "Context size has been exceeded.", "code": 500, "type": "server_error"}}
    with ScriptedServer([reply(text_chunks("a"), end, finish=None, done=False)]) as server:
        error = run_at(server.base_url)
    assert str(error).startswith(f"the conversation is longer than the context at {server.base_url}: Context size")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "temperature must be at most 2"),
        (400, "Invalid schema for function 'get': too many parameters"),
        (429, "Rate limit reached for tokens per minute"),
        (401, "the context length is no business of yours"),
    ],
)
def test_other_refusals_are_not_taken_for_a_conversation_that_is_too_long(status: int, message: str) -> None:
    with ScriptedServer([HttpError(status=status, message=message, headers={"x-should-retry": "false"})]) as server:
        assert "longer than" not in str(run_at(server.base_url))


# -- a server that is not there yet --------------------------------------------------------------------------------------

LOADING = {
    "llama.cpp": HttpError(status=503, message="Loading model", fields={"type": "unavailable_error", "code": 503}),
    "Hugging Face": HttpError(status=503, body='{"error": "Model x is currently loading", "estimated_time": 20.0}'),
    "Ollama": HttpError(status=500, message="llm server loading model"),
    "SGLang": HttpError(status=503, message="The server is starting"),
    "another": HttpError(status=409, message="The model is still loading, please wait"),
}


@pytest.mark.parametrize("server", LOADING)
def test_a_server_that_loads_its_model_is_waited_for_and_shown(server: str, pauses: list[float]) -> None:
    with ScriptedServer([*[LOADING[server]] * 20, reply(text_chunks("hi"))]) as scripted:
        run = asyncio.run(Agent("tiny", base_url=scripted.base_url, tools=[]).run("go"))
        address = scripted.base_url
    assert run.answer == "hi"
    shown = [each.event for each in run.trace.events if type(each.event).__name__ == "RequestRetried"]
    assert len(shown) == 20
    assert shown[0].message.startswith(f"{address} is loading the model ({LOADING[server].status}): ")
    assert pauses == [1, 2, 4, 8, *[10] * 16]


def test_a_model_that_never_loads_ends_the_run_after_a_quarter_of_an_hour(pauses: list[float]) -> None:
    with ScriptedServer(lambda _: LOADING["llama.cpp"]) as server:
        error = run_at(server.base_url)
    assert sum(pauses) <= 900 < sum(pauses) + 10
    assert "is loading the model (503): Loading model; wait until it is ready (asked 93 times)." in str(error)


@pytest.mark.parametrize("answer", [LOADING["llama.cpp"], HttpError(status=503)])
def test_a_server_is_not_waited_for_without_retries(answer: HttpError, pauses: list[float]) -> None:
    with ScriptedServer([answer]) as server, pytest.raises(ServerError):
        asyncio.run(ask(OpenAIChat("m", base_url=server.base_url, retries=0)))
    assert pauses == []


@pytest.mark.parametrize("message", ["Failed to load model", "error loading model: out of memory", "Model unloaded"])
def test_a_model_that_cannot_be_loaded_is_not_waited_for(message: str, pauses: list[float]) -> None:
    with ScriptedServer(lambda _: HttpError(status=503, message=message)) as server:
        run_at(server.base_url)
    assert len(pauses) == 2


def test_a_wait_for_a_server_that_loads_can_be_cancelled(monkeypatch) -> None:
    monkeypatch.setattr(adapter, "asyncio", asyncio)

    async def cancel(url: str) -> None:
        stream = OpenAIChat("m", base_url=url).stream(ChatRequest(messages=MESSAGES))
        assert isinstance(await anext(stream), Retrying)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    with ScriptedServer(lambda _: LOADING["llama.cpp"]) as server:
        asyncio.run(cancel(server.base_url))


def test_a_server_that_restarts_during_a_run_is_waited_for_and_shown(monkeypatch, pauses: list[float]) -> None:
    """It breaks off in the middle of a reply, is gone for some seconds, loads its model, and answers."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    first = ScriptedServer([reply(text_chunks("a"), CUT)], port=port)
    second = ScriptedServer([LOADING["llama.cpp"], LOADING["llama.cpp"], reply(text_chunks("hi"))], port=port)

    async def after_the_break(_: float) -> None:
        await asyncio.to_thread(first.__exit__, None, None, None)

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 5:
            await asyncio.to_thread(second.__enter__)

    monkeypatch.setattr(adapter, "asyncio", types.SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(
        loop, "asyncio", types.SimpleNamespace(sleep=after_the_break, CancelledError=asyncio.CancelledError)
    )
    first.__enter__()
    try:
        run = asyncio.run(Agent("tiny", base_url=f"http://127.0.0.1:{port}/v1", tools=[]).run("go"))
    finally:
        second.__exit__(None, None, None)
    assert pauses == [0.5, 1, 2, 4, 5, 1, 2]
    assert run.answer == "hi"
    shown = [each.event.message for each in run.trace.events if type(each.event).__name__ == "RequestRetried"]
    assert "broke off" in shown[0]
    assert "answered before and is waited for: no server answers at" in shown[1]
    assert "is loading the model" in shown[-1]


def test_the_doctor_shows_that_a_server_loads_its_model() -> None:
    shown: list[str] = []
    with ScriptedServer(lambda _: answers.pop(0) if answers else reply(text_chunks("hi"))) as server:
        answers: list[Answer] = [LOADING["llama.cpp"]] * 3
        asyncio.run(examine("m", where=Where(base_url=server.base_url, api="chat"), progress=shown.append))
    assert any("is loading the model (503): Loading model" in each for each in shown)


def test_the_doctor_reports_a_connection_as_a_run_does() -> None:
    with ByteServer(b"", tls="own") as server:
        where = Where(base_url=f"https://127.0.0.1:{server.port}/v1")
        with pytest.raises(ServerError, match="SSL_CERT_FILE"):
            asyncio.run(examine("m", where=where))


@pytest.mark.parametrize(
    ("head", "body"),
    [("content-length: 100", "half"), ("content-encoding: gzip", "no gzip"), ("transfer-encoding: chunked", "zz\r\n")],
)
def test_a_refusal_whose_body_cannot_be_read_is_a_refusal(head: str, body: str, pauses: list[float]) -> None:
    for status, says in ((500, "failed (500); look at its log"), (401, "does not accept the key (401); set")):
        answer = f"HTTP/1.1 {status} X\r\nconnection: close\r\n{head}\r\n\r\n{body}".encode()
        with ByteServer(answer) as server:
            error = run_at(f"http://127.0.0.1:{server.port}/v1")
        assert says in str(error)
        assert error.status == status
    assert len(pauses) == 2, "it is retried as its status says"


@pytest.mark.parametrize("host", ["%é", "-é", "é..x", "☃-"])
def test_a_host_that_cannot_be_looked_up_is_named(host: str) -> None:
    assert "cannot be looked up" in str(run_at(f"http://{host}/v1")) or "is not known" in str(
        run_at(f"http://{host}/v1")
    )
