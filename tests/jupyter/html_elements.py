"""HTML as a browser would read it: which elements there are, and what one reads."""

from __future__ import annotations

from html.parser import HTMLParser


class Elements(HTMLParser):
    """Collects the elements of a text with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    @property
    def names(self) -> set[str]:
        """The names of the elements."""
        return {name for name, _ in self.found}

    @property
    def attributes(self) -> set[str]:
        """The names of the attributes of all elements."""
        return {name for _, attributes in self.found for name in attributes}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data
