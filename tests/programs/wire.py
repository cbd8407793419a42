"""How servers and gateways write the calls of a reply, some of them in odd ways: always the same calls."""

import json


def by_the_book(number, call_id, name, arguments):
    half = len(arguments) // 2
    yield {"index": number, "call_id": call_id, "name": name, "arguments": ""}
    yield {"index": number, "arguments": arguments[:half]}
    yield {"index": number, "arguments": arguments[half:]}


def in_one_piece(number, call_id, name, arguments):
    yield {"index": number, "call_id": call_id, "name": name, "arguments": arguments}


def repeated_on_the_next_index(number, call_id, name, arguments):
    """A gateway repeats the whole call."""
    yield {"index": 2 * number, "call_id": call_id, "name": name, "arguments": ""}
    yield {"index": 2 * number, "arguments": arguments}
    yield {"index": 2 * number + 1, "call_id": call_id, "name": name, "arguments": arguments}


def repeated_on_its_index(number, call_id, name, arguments):
    """A gateway sends the pieces, and then the whole call."""
    yield from by_the_book(number, call_id, name, arguments)
    yield {"index": number, "call_id": call_id, "name": name, "arguments": arguments}


def without_index(number, call_id, name, arguments):
    for piece in by_the_book(number, call_id, name, arguments):
        yield {"call_id": call_id, **piece, "index": None}


def without_ids(number, call_id, name, arguments):
    for piece in by_the_book(number, call_id, name, arguments):
        yield {**piece, "call_id": None}


def as_an_object(number, call_id, name, arguments):
    # An empty object opens a call whose arguments come later.
    yield {"index": number, "call_id": call_id, "name": name, "arguments": json.loads(arguments) or "{}"}


def one_character_at_a_time(number, call_id, name, arguments):
    yield {"index": number, "call_id": call_id, "name": name}
    for character in arguments:
        yield {"index": number, "arguments": character}


#: The first is the simplest. Each is given the call's number in its reply, from 0.
QUIRKS = (
    by_the_book,
    in_one_piece,
    repeated_on_the_next_index,
    repeated_on_its_index,
    without_index,
    without_ids,
    as_an_object,
    one_character_at_a_time,
)
