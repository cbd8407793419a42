"""An encyclopedia of invented places and people, and a research assistant's tools over it.

Everything is drawn from a seed: names from syllables, facts from ranges, links between articles. The search really searches:
it ranks all articles by the words that they share with the query, rare words counting more.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.replay import Job

_BEGINNINGS = (
    "Ar",
    "Bel",
    "Cor",
    "Dun",
    "El",
    "Fal",
    "Gro",
    "Hal",
    "Ist",
    "Jor",
    "Kel",
    "Lum",
    "Mor",
    "Nev",
    "Oss",
    "Per",
)
_MIDDLES = ("a", "be", "do", "fi", "gu", "la", "me", "no", "ri", "so", "ta", "ve")
_ENDINGS = {
    "town": ("burg", "ford", "mouth", "stead", "wick", "holm"),
    "person": ("ard", "ine", "os", "wen", "ric", "la"),
}
_FIRST_NAMES = ("Ada", "Bram", "Cleo", "Dov", "Edda", "Finn", "Gerda", "Hugo", "Ines", "Jonas", "Kaia", "Leif")
_PROFESSIONS = ("engineer", "mason", "surveyor", "painter", "botanist", "printer")
_PROVINCES = ("Northmark", "Sallow Coast", "Inner Vale", "Greyfen", "Hither Isles", "Upper Reach")
#: Articles of each kind; names are drawn until there are so many different ones.
TOWNS, PEOPLE = 60, 80
#: Results of a search, as on a first page.
_HITS = 4
#: What a title that is the query counts, beside the words of the text: a title says what an article is about.
_TITLE_WEIGHT = 10.0
_WORD = re.compile(r"[a-z]+|\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One article."""

    id: str
    title: str
    text: str
    facts: Mapping[str, Any]
    #: From a relation, such as ``birthplace``, to the id of another article.
    links: Mapping[str, str] = field(default_factory=dict)


class Encyclopedia:
    """The articles and their index."""

    def __init__(self, seed: int) -> None:
        draw = random.Random(seed)
        self.articles = {article.id: article for article in _articles(draw)}
        self._words = {
            article.id: (Counter(_words(article.title)), Counter(_words(article.text)))
            for article in self.articles.values()
        }
        in_articles = Counter(word for title, text in self._words.values() for word in {*title, *text})
        self._rarity = {word: math.log(len(self.articles) / count) for word, count in in_articles.items()}

    def of_kind(self, kind: str) -> list[Article]:
        """Return the articles of a kind: ``town``, ``person`` or ``bridge``."""
        return [article for article in self.articles.values() if article.id.startswith(f"{kind}-")]

    def search(self, query: str) -> list[dict[str, Any]]:
        """Return the articles that fit a query best, the best first."""
        asked = set(_words(query))
        scores = {name: self._score(asked, *words) for name, words in self._words.items()}
        best = sorted(scores, key=lambda name: (-scores[name], name))[:_HITS]
        return [self._hit(self.articles[name]) for name in best if scores[name] > 0]

    def _score(self, asked: set[str], title: Counter[str], text: Counter[str]) -> float:
        alike = 2 * self._weight(asked & title.keys()) / (self._weight(asked) + self._weight(title))
        return _TITLE_WEIGHT * alike + sum(
            self._rarity.get(word, 0.0) * text[word] / (1 + text[word]) for word in asked
        )

    def _weight(self, words: Iterable[str]) -> float:
        return sum(self._rarity.get(word, 0.0) for word in words)

    def _hit(self, article: Article) -> dict[str, Any]:
        return {"id": article.id, "title": article.title, "snippet": article.text[:80]}


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _articles(draw: random.Random) -> Iterator[Article]:
    towns, people = _names(draw, "town", TOWNS), _names(draw, "person", PEOPLE)
    people = [f"{draw.choice(_FIRST_NAMES)} {name}" for name in people]
    for number, name in enumerate(towns):
        founded, population = draw.randrange(700, 1900), draw.randrange(2, 900) * 100
        province, mayor = draw.choice(_PROVINCES), draw.randrange(PEOPLE)
        text = f"{name} is a town in {province}, founded in {founded}. Its population is {population}."
        facts = {"founded": founded, "population": population, "province": province, "mayor": people[mayor]}
        yield Article(id=f"town-{number}", title=name, text=text, facts=facts, links={"mayor": f"person-{mayor}"})
        architect, opened = draw.randrange(PEOPLE), draw.randrange(1750, 1990)
        title = f"{name} Bridge"
        text = (
            f"The {title} crosses the river at {name}. It was designed by {people[architect]} and opened in {opened}."
        )
        facts = {"opened": opened, "architect": people[architect], "town": name}
        links = {"architect": f"person-{architect}", "town": f"town-{number}"}
        yield Article(id=f"bridge-{number}", title=title, text=text, facts=facts, links=links)
    for number, name in enumerate(people):
        born, birthplace, profession = draw.randrange(1720, 1960), draw.randrange(TOWNS), draw.choice(_PROFESSIONS)
        text = f"{name}, born in {born} in {towns[birthplace]}, was a {profession}."
        facts = {"born": born, "birthplace": towns[birthplace], "profession": profession}
        yield Article(
            id=f"person-{number}", title=name, text=text, facts=facts, links={"birthplace": f"town-{birthplace}"}
        )


def _names(draw: random.Random, kind: str, count: int) -> list[str]:
    names: dict[str, None] = {}
    while len(names) < count:
        names[draw.choice(_BEGINNINGS) + draw.choice(_MIDDLES) + draw.choice(_ENDINGS[kind])] = None
    return list(names)


class Desk:
    """A research assistant's desk: the tools, and the notes of one run."""

    def __init__(self, encyclopedia: Encyclopedia) -> None:
        self._encyclopedia = encyclopedia
        self.notes: dict[str, Any] = {}

    def search(self, query: str) -> list[dict[str, Any]]:
        """Search the encyclopedia.

        Args:
            query: A few words.
        """
        return self._encyclopedia.search(query)

    def fetch(self, page: str) -> dict[str, Any]:
        """Fetch an article.

        Args:
            page: Its id, as in the results of a search or in the links of another article.
        """
        article = self._encyclopedia.articles[page]
        return {"title": article.title, "text": article.text, "facts": article.facts, "links": article.links}

    def note(self, topic: str, fact: int | str) -> dict[str, Any]:
        """Write a fact down.

        Args:
            topic: What it is about.
            fact: The fact.
        """
        self.notes[topic] = fact
        return {"topic": topic, "noted": fact}

    def review(self) -> dict[str, Any]:
        """Read all notes."""
        numbers = [fact for fact in self.notes.values() if isinstance(fact, int)]
        return {"notes": dict(sorted(self.notes.items())), "total": sum(numbers), "largest": max(numbers, default=0)}

    def jobs(self) -> dict[str, Job]:
        """Return the tools by name, with what they declare and what they touch."""
        return {
            "search": Job(function=self.search, declares={"pure": True}, touches=lambda _: ((), ())),
            "fetch": Job(function=self.fetch, declares={"pure": True}, touches=lambda _: ((), ())),
            "note": Job(
                function=self.note,
                declares={"writes": "notes/{topic}"},
                touches=lambda given: ((), (f"notes/{given['topic']}",)),
            ),
            "review": Job(function=self.review, declares={"reads": "notes"}, touches=lambda _: (("notes",), ())),
        }
