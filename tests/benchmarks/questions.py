"""Questions that take several hops, with the plan of an oracle that answers them and the right answer.

The families differ in what a later call needs of an earlier one: nothing (fan-out, comparison, until their ends), a field that
can be passed on unread (bridge by reference), a text that must be read (bridges that read).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.benchmarks.encyclopedia import Article, Encyclopedia
from tests.benchmarks.replay import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question, how an oracle answers it, and the answer."""

    family: str
    steps: tuple[Step, ...]
    #: The answer's text with values in it, and as it should come out.
    answer: str
    right: str


def questions(encyclopedia: Encyclopedia, family: str, count: int, seed: int) -> Iterator[Question]:
    """Yield so many questions of a family, the same for the same seed."""
    draw = random.Random(f"{family} {seed}")
    for _ in range(count):
        steps, answer, right = FAMILIES[family](encyclopedia, draw)
        yield Question(family=family, steps=tuple(steps), answer=answer, right=right)


Made = tuple[list[Step], str, str]


def _fan_out(encyclopedia: Encyclopedia, draw: random.Random) -> Made:
    """Return: what is the population of these towns together, and of the largest?"""
    towns = draw.sample(encyclopedia.of_kind("town"), draw.randint(3, 6))
    steps = [
        Step(
            f"I need the article on {town.title} to see how many people live there; I search for it by its name.",
            f'hits{n} = search(query="town of {town.title}")',
        )
        for n, town in enumerate(towns)
    ]
    steps += [
        Step(
            f"The first result should be the article on {town.title}; I open it to get at its facts.",
            f"page{n} = fetch(page=hits{n}[0].id)",
        )
        for n, town in enumerate(towns)
    ]
    steps += [
        Step(
            f"I put the population of {town.title} on my sheet.",
            f'note(topic="{town.title}", fact=page{n}.facts.population)',
        )
        for n, town in enumerate(towns)
    ]
    steps.append(Step("Now the sheet should be complete, and I can add it all up.", "sheet = review()"))
    people = [town.facts["population"] for town in towns]
    answer = "Together {sheet.total} people live in these towns, and {sheet.largest} of them in the largest one."
    return steps, answer, _filled(answer, {"sheet.total": sum(people), "sheet.largest": max(people)})


def _comparison(encyclopedia: Encyclopedia, draw: random.Random) -> Made:
    """Return: which of two bridges opened first?"""
    one, other = draw.sample(encyclopedia.of_kind("bridge"), 2)
    steps = [
        Step(
            f"To compare the two I need the year in which the {bridge.title} was opened.",
            f'hits{n} = search(query="{bridge.title} opened")',
        )
        for n, bridge in enumerate((one, other))
    ]
    steps += [
        Step(f"I open the article on the {bridge.title}.", f"page{n} = fetch(page=hits{n}[0].id)")
        for n, bridge in enumerate((one, other))
    ]
    years = {"page0.facts.opened": one.facts["opened"], "page1.facts.opened": other.facts["opened"]}
    verdict = "the first is the older one" if one.facts["opened"] <= other.facts["opened"] else "the second is older"
    answer = f"{one.title} opened in {{page0.facts.opened}}, {other.title} in {{page1.facts.opened}}: {verdict}."
    return steps, answer, _filled(answer, years)


def _by_reference(encyclopedia: Encyclopedia, draw: random.Random) -> Made:
    """Return: how many people live where the architect of a bridge was born? Every hop follows a link, unread."""
    bridge, architect, town = _bridge(encyclopedia, draw)
    steps = [
        Step(
            f"First I have to find out who designed the {bridge.title}.",
            f'hits = search(query="{bridge.title} architect")',
        ),
        Step("The first result is the bridge; its article names the architect.", "work = fetch(page=hits[0].id)"),
        Step("The article links to the architect, so I follow that link.", "person = fetch(page=work.links.architect)"),
        Step("And from the architect to the place of birth.", "town = fetch(page=person.links.birthplace)"),
    ]
    answer = "{person.title} was born in {town.title}, where {town.facts.population} people live."
    values = {
        "person.title": architect.title,
        "town.title": town.title,
        "town.facts.population": town.facts["population"],
    }
    return steps, answer, _filled(answer, values)


def _read_once(encyclopedia: Encyclopedia, draw: random.Random) -> Made:
    """Return the same question, where the second search is a text with the architect's name in it."""
    bridge, architect, town = _bridge(encyclopedia, draw)
    steps = [
        Step(
            f"First I have to find out who designed the {bridge.title}.",
            f'hits = search(query="{bridge.title} architect")',
        ),
        Step("The first result is the bridge; its article names the architect.", "work = fetch(page=hits[0].id)"),
        Step(
            "It was {work.facts.architect}, of whom I need the place of birth now.",
            'found = search(query=f"{work.facts.architect} born")',
            reads=True,
        ),
        Step("I open the first article on that name.", "person = fetch(page=found[0].id)"),
        Step("And I go on to the place of birth.", "town = fetch(page=person.links.birthplace)"),
    ]
    answer = "{person.title} was born in {town.title}, where {town.facts.population} people live."
    values = {
        "person.title": architect.title,
        "town.title": town.title,
        "town.facts.population": town.facts["population"],
    }
    return steps, answer, _filled(answer, values)


def _read_always(encyclopedia: Encyclopedia, draw: random.Random) -> Made:
    """Return the same question, where every result is read before the next call: strictly sequential."""
    bridge, architect, town = _bridge(encyclopedia, draw)
    steps = [
        Step(
            f"First I have to find out who designed the {bridge.title}.",
            f'hits = search(query="{bridge.title} architect")',
        ),
        Step("{hits[0].title} is what I am looking for.", "work = fetch(page=hits[0].id)", reads=True),
        Step(
            "It was {work.facts.architect}, of whom I need the place of birth now.",
            'found = search(query=f"{work.facts.architect} born")',
            reads=True,
        ),
        Step("{found[0].title} is the one I mean.", "person = fetch(page=found[0].id)", reads=True),
        Step(
            "Born in {person.facts.birthplace}; how large is that?",
            'places = search(query=f"town of {person.facts.birthplace}")',
            reads=True,
        ),
        Step("{places[0].title} is the town.", "town = fetch(page=places[0].id)", reads=True),
    ]
    answer = "{person.title} was born in {town.title}, where {town.facts.population} people live."
    values = {
        "person.title": architect.title,
        "town.title": town.title,
        "town.facts.population": town.facts["population"],
    }
    return steps, answer, _filled(answer, values)


def _bridge(encyclopedia: Encyclopedia, draw: random.Random) -> tuple[Article, Article, Article]:
    bridge = draw.choice(encyclopedia.of_kind("bridge"))
    architect = encyclopedia.articles[bridge.links["architect"]]
    return bridge, architect, encyclopedia.articles[architect.links["birthplace"]]


def _filled(answer: str, values: Mapping[str, object]) -> str:
    for place, value in values.items():
        answer = answer.replace(f"{{{place}}}", str(value))
    return answer


FAMILIES: Mapping[str, Callable[[Encyclopedia, random.Random], Made]] = {
    "fan-out": _fan_out,
    "comparison": _comparison,
    "bridge by reference": _by_reference,
    "bridge, read once": _read_once,
    "bridge, each result read": _read_always,
}
