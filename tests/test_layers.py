"""The rules of the layers: what each may import, and what importing the package loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import asyncfc_jupyter

ROOT = Path(asyncfc_jupyter.__file__).parent
PACKAGE = "asyncfc_jupyter"

_CORE = {"text", "defaults", "masking", "errors", "foreign_code"}
_MODELS = {*_CORE, "checked_json", "notices", "retry_policy", "plugins", "core"}
_AGENT = {*_MODELS, "modes", "values", "tools", "runtime", "models", "trace"}
#: Each layer (a package or a module at the top) and the layers below it. A layer that is missing here fails the test.
BELOW = {
    "text": set(),
    "defaults": set(),
    "masking": set(),
    "errors": {"text", "masking"},
    "foreign_code": set(),
    "notices": {"text", "masking", "foreign_code"},
    "checked_json": set(),
    "modes": {"text", "masking", "errors"},
    "retry_policy": {"text", "masking", "errors"},
    "plugins": {"text", "masking", "errors", "foreign_code"},
    "core": _CORE,
    "values": {*_CORE, "core"},
    "tools": {*_CORE, "core", "values"},
    "runtime": {*_CORE, "retry_policy", "core", "values", "tools"},
    "models": _MODELS,
    "trace": {*_CORE, "checked_json", "plugins", "core"},
    "agent": _AGENT,
    "jupyter": {*_AGENT, "agent"},
    "cli": {*_AGENT, "agent", "demo"},
    "demo": {*_AGENT, "agent"},
    "testing": {*_AGENT, "agent"},
}
#: Third parties that only some layers may import.
OWNED = {
    "openai": {"models"},
    "anthropic": {"models"},
    "httpx": set(),
    "IPython": {"jupyter"},
    "ipywidgets": {"jupyter"},
    "anywidget": {"jupyter"},
    "ipykernel": {"jupyter"},
    "nest_asyncio2": {"jupyter"},
    "rich": {"cli", "demo", "jupyter"},  # in jupyter for IPython in a terminal, where the timeline is drawn live
}
#: What the core may use of the standard library: no clock, no randomness, no input or output.
#: `json` only turns the text of a message into values, for the one reader of the protocol.
CORE_MAY_USE = {
    "__future__", "bisect", "collections", "dataclasses", "difflib", "enum", "functools", "heapq",
    "itertools", "json", "math", "re", "types", "typing", "unicodedata",
}  # fmt: skip

FILES = sorted(ROOT.rglob("*.py"))


def layer_of(path):
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imports(path):
    """Every module that a file imports, by full name, at any place of the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the layer"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_layer_has_its_place() -> None:
    layers = {layer_of(path) for path in FILES} - {"__init__", "__main__", "_version"}
    assert layers == set(BELOW)


@pytest.mark.parametrize("path", [p for p in FILES if layer_of(p) in BELOW], ids=lambda p: str(p.relative_to(ROOT)))
def test_a_file_imports_only_from_the_layers_below_it(path) -> None:
    mine = layer_of(path)
    for name in imports(path):
        top, *rest = name.split(".")
        if top == PACKAGE and rest and rest[0] in BELOW:
            assert rest[0] == mine or rest[0] in BELOW[mine], f"{mine} imports {name}"
        if top in OWNED:
            assert mine in OWNED[top], f"{mine} imports {name}"
        if mine == "core" and top != PACKAGE:
            assert top in CORE_MAY_USE, f"core imports {name}"


def test_importing_the_package_loads_no_client_and_nothing_of_jupyter() -> None:
    code = "import sys, asyncfc_jupyter; print(' '.join(sorted({m.split('.')[0] for m in sys.modules})))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"openai", "pydantic", "IPython", "ipywidgets", "anywidget", "rich"} & set(loaded)


def test_loading_the_extension_loads_nothing_that_only_a_cell_needs() -> None:
    code = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell\n"
        "InteractiveShell.instance().run_line_magic('load_ext', 'asyncfc_jupyter'); print(' '.join(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "asyncfc_jupyter.jupyter.magics" in loaded
    packages = {
        f"{PACKAGE}.{name}" for name in ("core", "values", "tools", "trace", "agent", "demo", "jupyter.session")
    }
    assert not (packages | {"openai", "anthropic", "httpx", "pydantic", "griffe", "ipywidgets"}) & set(loaded)


def test_the_public_names_are_those_in_all_and_each_can_be_imported() -> None:
    public = {name for name in asyncfc_jupyter.__all__ if name != "__version__"}
    assert public == set(asyncfc_jupyter._HOME)
    for name in asyncfc_jupyter.__all__:
        assert getattr(asyncfc_jupyter, name) is not None
    assert dir(asyncfc_jupyter) == sorted(asyncfc_jupyter.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = asyncfc_jupyter.nothing
