"""The registry of model classes: what is built in, what other packages add by entry points, and what can be wrong with them."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncfc_jupyter.errors import UsageError
from asyncfc_jupyter.jupyter.settings.table import problem_with
from asyncfc_jupyter.models.base import ChatModel, ChatRequest, TextDelta
from asyncfc_jupyter.models.catalog import Where, address_of, open_model
from asyncfc_jupyter.models.doctor import examine
from asyncfc_jupyter.models.profiles import PROFILES
from asyncfc_jupyter.models.registry import APIS, BUILT_IN, REHEARSAL, api_named, api_names, api_title

MODULE = """
from asyncfc_jupyter.models.base import Finish, TextDelta
from asyncfc_jupyter.models.profiles import Profile

class Messages:
    profile = Profile(name="theirs", base_url="https://theirs.example/v1", api="converse", key_variable="THEIR_API_KEY")

    def __init__(self, model, *, base_url, api_key, options):
        self.name, self.base_url, self.api_key, self.options = model, base_url, api_key, options

    async def stream(self, request):
        yield TextDelta(text="hello")
        yield Finish(reason="stop")
"""
#: Installs a package that is one module, with these entry points.
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("OPENAI_BASE_URL", *(profile.key_variable for profile in PROFILES.values())):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("THEIR_API_KEY", "their-key-0123456789")

    def install(package: str, *points: str, source: str = MODULE) -> None:
        module = package.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(source)
        monkeypatch.delitem(sys.modules, module, raising=False)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("\n".join(["[asyncfc_jupyter.models]", *points, ""]))
        importlib.invalidate_caches()

    return install


def refused(api: str) -> str:
    with pytest.raises(UsageError) as caught:
        open_model("m", where=Where(api=api), options={})
    return str(caught.value)


def test_every_built_in_class_can_be_loaded_and_opens_a_model() -> None:
    assert APIS == ("chat", "responses", "native", "messages")
    for each in BUILT_IN.values():
        assert callable(each.load_class()), each.name
    assert BUILT_IN[REHEARSAL].load_class()().name == REHEARSAL
    for api in APIS:
        opened = open_model("m", where=Where(api=api, base_url="http://127.0.0.1:1/v1"), options={})
        assert isinstance(opened, ChatModel)
        assert type(opened) is api_named(api).load_class()


def test_the_registry_imports_no_model_and_reads_no_metadata() -> None:
    code = """
import sys
from asyncfc_jupyter.models.registry import BUILT_IN, api_named, api_title
names = [api_named(name).name + api_title(name) for name in BUILT_IN if BUILT_IN[name].kind == "api"]
print([name for name in sys.modules if name.startswith(("asyncfc_jupyter.models.", "importlib.metadata", "openai"))])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['asyncfc_jupyter.models.registry']"


def test_another_package_adds_an_api_by_an_entry_point(install: Install) -> None:
    install("their-package", "converse = their_package:Messages [client]")
    model = open_model("m", where=Where(api="converse"), options={"seed": 1})
    assert (model.name, model.base_url, model.options) == ("m", "https://theirs.example/v1", {"seed": 1})
    assert (model.api_key.reveal(), model.api_key.variable) == ("their-key-0123456789", "THEIR_API_KEY")
    assert "their_package" in sys.modules

    async def reply() -> list[object]:
        return [delta async for delta in model.stream(ChatRequest(messages=[{"role": "user", "content": "Hi"}]))]

    assert asyncio.run(reply())[0] == TextDelta(text="hello")
    assert api_names() == (*APIS, "converse")
    assert (api_title("converse"), api_title("chat")) == ("converse", "Chat Completions")
    assert problem_with("api", "converse") is None


def test_extra_headers_are_passed_to_a_class_that_takes_them_only(install: Install) -> None:
    headers = {"X-Title": "mine"}
    install("their-package", "converse = their_package:Messages")
    for package, more, value in (("newer", "headers=None", "headers"), ("open", "**more", "more.get('headers')")):
        source = MODULE.replace("options):", f"options, {more}):\n        self.headers = {value}")
        install(f"a-{package}", f"{package} = a_{package}:Messages", source=source)
    for api in ("newer", "open"):
        assert open_model("m", where=Where(api=api, headers=headers), options={}).headers == headers
        assert open_model("m", where=Where(api=api), options={}).headers is None
    with pytest.raises(UsageError) as caught:
        open_model("m", where=Where(api="converse", headers=headers), options={})
    assert str(caught.value) == (
        "the api 'converse' of the package 'their-package' takes no extra headers; leave out headers (--header), or update "
        "that package."
    )


def test_the_doctor_examines_an_api_of_another_package(install: Install) -> None:
    install("their-package", "converse = their_package:Messages")
    report = asyncio.run(examine("m", where=Where(api="converse"), fresh=True))
    assert (report.address, list(report.seen), report.api) == ("https://theirs.example/v1", ["converse"], "converse")
    assert ["converse", "yes"] in [line.split() for line in report.text().splitlines()]


def test_a_server_or_address_of_the_user_overrides_that_of_the_class(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("their-package", "converse = their_package:Messages")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gpu:1/v1")
    assert address_of(Where(api="converse")) == "https://theirs.example/v1"
    assert address_of(Where(api="converse", base_url="http://other:1/v1")) == "http://other:1/v1"
    assert address_of(Where(api="converse", server="ollama")) == PROFILES["ollama"].base_url


def test_a_class_without_a_profile_is_used_at_the_usual_address(install: Install, monkeypatch) -> None:
    install("their-package", "converse = their_package:Messages", source=MODULE.replace("profile =", "own ="))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gpu:1/v1")
    assert address_of(Where(api="converse")) == "http://gpu:1/v1"


def test_a_built_in_api_is_not_replaced_and_a_model_is_not_an_api(install: Install) -> None:
    install("their-package", "chat = their_package:Messages", "Messages = their_package:Messages")
    assert api_named("chat") is BUILT_IN["chat"]
    assert api_names() == (*APIS, "Messages")
    assert refused("record") == refused("x").replace("'x'", "'record'")


def test_an_unknown_name_lists_what_there_is(install: Install) -> None:
    install("their-package", "converse = their_package:Messages")
    assert refused("convers") == "there is no api 'convers'; the apis are: chat, responses, native, messages, converse."
    assert "one of chat, responses, native, messages, or one of another package" in str(problem_with("api", "message"))


def test_a_name_that_two_packages_register_is_refused(install: Install) -> None:
    install("one-package", "converse = one_package:Messages")
    install("two-package", "converse = two_package:Messages")
    assert refused("converse") == (
        "the api 'converse' is registered by several packages: one-package, two-package; uninstall all but one."
    )


@pytest.mark.parametrize(
    ("point", "remedy"),
    [
        ("converse = their_package:Messages", "pip install 'no_such_client'"),
        ("converse = their_package:Messages [client]", "pip install 'their-package[client]'"),
    ],
)
def test_a_missing_package_is_named_with_its_install_command(install: Install, point: str, remedy: str) -> None:
    install("their-package", point, source="import no_such_client.messages\n" + MODULE)
    assert refused("converse") == (
        f"the api 'converse' cannot be used: the package 'no_such_client' is not installed; run {remedy}."
    )


def test_a_client_that_is_imported_later_is_missed_when_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    remedies = {"openai": "openai", "anthropic": "asyncfc_jupyter[anthropic]"}
    for api in APIS:
        package = BUILT_IN[api].needs
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(UsageError) as caught:
            api_named(api).load_class()
        remedy = remedies[package]
        assert str(caught.value).endswith(f": the package {package!r} is not installed; run pip install '{remedy}'.")


@pytest.mark.parametrize(
    ("point", "source", "why"),
    [
        ("their_package:Missing", MODULE, "AttributeError: module 'their_package' has no attribute 'Missing'"),
        ("their_package", MODULE, "AttributeError: module 'their_package' has no attribute ''"),
        ("their_package.sub:Messages", MODULE, "ModuleNotFoundError: No module named 'their_package.sub'"),
        ("their_package:Messages", "raise RuntimeError('broken')", "RuntimeError: broken"),
        ("their_package:Messages", "def", "SyntaxError: "),
    ],
)
def test_an_entry_point_that_is_broken_names_its_package(install: Install, point: str, source: str, why: str) -> None:
    install("their-package", f"converse = {point}", source=source)
    said = refused("converse")
    assert said.startswith(f"the api 'converse' cannot be used: {point} cannot be imported ({why}")
    assert said.endswith("; update or uninstall the package 'their-package', which registers it.")


def test_a_class_that_is_not_a_chat_model_is_refused(install: Install) -> None:
    install("their-package", "converse = their_package:Messages", source=MODULE.replace("stream", "flow"))
    assert refused("converse") == (
        "the api 'converse' of the package 'their-package' made a Messages, which is not a ChatModel: it needs name and "
        "stream; update or uninstall that package."
    )
