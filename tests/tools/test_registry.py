"""The tools of a session by the place that they come from."""

from asyncfc_jupyter.tools.definition import make_tool
from asyncfc_jupyter.tools.registry import ToolRegistry
from tests.runtime.made import pay


def named(*names):
    return [make_tool(pay, name=name) for name in names]


def test_a_place_replaces_its_own_tools_and_those_of_the_same_name() -> None:
    registry = ToolRegistry()
    registry.replace("one", named("a", "b"))
    registry.replace("two", named("c"))
    assert [tool.name for tool in registry.tools()] == ["a", "b", "c"]
    registry.replace("one", named("d"), more=True)
    assert list(registry.by_name()) == ["a", "b", "c", "d"]
    new = named("c")
    registry.replace("one", new)
    assert list(registry.by_name().items()) == [("c", new[0])]
    registry.replace("one", [])
    assert registry.tools() == ()
