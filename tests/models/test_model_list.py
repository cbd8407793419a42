"""The models that a server lists."""

from __future__ import annotations

import asyncio

import pytest

from asyncfc_jupyter.errors import ServerError, UsageError
from asyncfc_jupyter.models.catalog import Where, list_models
from tests.servers.scripted_server import HttpError, ScriptedServer

NO_LIST = "ADDRESS/v1 does not list its models; look in its documentation for their names."


def listed(models: list[str] | HttpError | None, **where: str) -> tuple[str, ...]:
    with ScriptedServer(models=models) as server:
        return asyncio.run(list_models(Where(base_url=server.base_url, **where)))


def refused(models: HttpError | None) -> str:
    with pytest.raises(ServerError) as caught:
        listed(models)
    address = str(caught.value).partition("/v1")[0]
    return str(caught.value).replace(address, "ADDRESS")


@pytest.mark.parametrize("api", ["chat", "responses", "native", "messages"])
def test_the_models_of_a_server_are_listed_in_order_through_each_api(api: str) -> None:
    assert listed(["qwen3:8b", "llama3.2", "a/b"], api=api) == ("a/b", "llama3.2", "qwen3:8b")
    assert listed([], api=api) == ()


@pytest.mark.parametrize("body", ["", "[]", "null", "7", '"a"', '{"data": null}', '{"models": [{"name": "x"}]}', "<p>"])
def test_a_body_without_a_list_is_no_empty_list(body: str) -> None:
    assert refused(HttpError(status=200, body=body)) == NO_LIST


def test_a_page_in_place_of_a_list_is_no_empty_list() -> None:
    page = HttpError(status=200, body="<html>Log in</html>", headers={"content-type": "text/html"})
    assert refused(page) == NO_LIST


def test_entries_in_another_form_are_left_out() -> None:
    body = '{"data": [null, 1, "a", [], {}, {"id": null}, {"id": {}}, {"id": true}, {"id": "m"}]}'
    assert listed(HttpError(status=200, body=body)) == ("m",)


def test_a_model_that_is_listed_twice_or_by_a_number_is_one() -> None:
    body = '{"data": [{"id": "m"}, {"id": "m", "owned_by": "x"}, {"id": 7}]}'
    assert listed(HttpError(status=200, body=body)) == ("7", "m")


@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_server_without_a_list_is_named_with_the_way_out(status: int) -> None:
    assert refused(HttpError(status=status)) == NO_LIST


def test_other_refusals_are_those_of_any_request() -> None:
    assert refused(HttpError(status=401)).startswith("ADDRESS/v1 asks for a key (401)")
    assert refused(HttpError(status=500)).startswith("ADDRESS/v1 failed (500): scripted")


def test_a_list_needs_the_key_of_the_server() -> None:
    with pytest.raises(UsageError, match="needs a key; set GROQ_API_KEY"):
        asyncio.run(list_models(Where(server="groq")))
