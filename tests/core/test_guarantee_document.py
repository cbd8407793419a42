"""The diagram in the document is the table in the code."""

import re
from pathlib import Path

from asyncfc_jupyter.core.futures import TRANSITIONS

DOCUMENT = Path(__file__).parents[2] / "docs" / "guarantee.md"


def diagram():
    """Return the table of transitions as a Mermaid diagram."""
    lines = ["stateDiagram-v2", "    [*] --> pending: issued"]
    lines += [f"    {state} --> {then}: {why}" for state, after in TRANSITIONS.items() for then, why in after.items()]
    lines += [f"    {state} --> [*]" for state, after in TRANSITIONS.items() if not after]
    return "\n".join(lines)


def test_the_diagram_of_states_is_drawn_from_the_table() -> None:
    drawn = re.search(r"```mermaid\n(.*?)\n```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert drawn is not None
    assert drawn.group(1) == diagram(), f"docs/guarantee.md should hold:\n{diagram()}"
