"""Tools that are defined again under the same name, calls that outlive their run, letters that cannot be taken back."""

from asyncfc_jupyter import tool
from tests.programs.program import Kind, either, one_of, result_of
from tests.programs.time import nap


class World:
    """Prices and letters."""

    price = 0
    sent: list[str] = []  # noqa: RUF012 - made for each program by `begin`


def begin():
    World.price, World.sent = 5, []


def state():
    return World.price, World.sent


@tool(pure=True, detached=True)
async def twice(x: int, nap_s: float) -> list:
    """Return twice a number; no run waits for it."""
    await nap(nap_s)
    return ["twice", 2 * x]


@tool(reads="price", idempotent=True, detached=True)
async def quote(nap_s: float) -> list:
    """Return the price."""
    seen = World.price
    await nap(nap_s)
    return ["quote", seen, World.price]


@tool(writes="price", detached=True)
async def raise_price(by: int, nap_s: float) -> int:
    """Raise the price."""
    seen = World.price
    await nap(nap_s)
    World.price = seen + by
    return World.price


@tool(writes="price", idempotent=True)
async def fix(price: int, nap_s: float) -> str:
    """Set the price: the same however often it is done."""
    await nap(nap_s)
    World.price = price
    return "fixed"


@tool(reads=[], writes=[], irreversible=True)
async def send(to: str, nap_s: float) -> str:
    """Send a letter, and declare that no state is touched."""
    await nap(nap_s)
    World.sent.append(to)
    return "sent"


@tool(irreversible=True)
async def sign(to: str, nap_s: float) -> str:
    """Sign something, and declare nothing."""
    await nap(nap_s)
    World.sent.append(f"signed {to} for {World.price}")
    return "signed"


@tool(pure=True, approve=True)
async def ask(x: int, nap_s: float) -> str:
    """Do something if the user says yes; each call is a question of its own."""
    await nap(nap_s)
    return f"yes to {x}"


@tool(writes="price", approve=True, irreversible=True)
async def sell(x: int, nap_s: float) -> str:
    """Do something that cannot be undone, if the user says yes."""
    await nap(nap_s)
    World.sent.append(f"sold {x} for {World.price}")
    return f"sold {x}"


@tool(pure=True)
async def check(x: int, nap_s: float) -> int:
    """Refuse odd numbers."""
    await nap(nap_s)
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x


def _again():
    """Return other functions with the same names: other results, other declarations."""

    @tool(pure=True, detached=True)
    async def twice(x: int, nap_s: float) -> list:
        """Return three times a number."""
        await nap(nap_s)
        return ["three times", 3 * x]

    @tool(reads="price", idempotent=True, detached=True)
    async def quote(nap_s: float) -> list:
        """Return the price with another word."""
        seen = World.price
        await nap(nap_s)
        return ["offer", seen, World.price]

    @tool(writes="price", idempotent=True)
    async def fix(price: int, nap_s: float) -> str:
        """Set the price to twice of what is said."""
        await nap(nap_s)
        World.price = 2 * price
        return "fixed doubly"

    @tool(pure=True)
    async def check(x: int, nap_s: float) -> int:
        """Refuse even numbers."""
        await nap(nap_s)
        if x % 2 == 0:
            raise ValueError(f"{x} is even")
        return x

    return {function.__name__: function for function in (twice, quote, fix, check)}


def _effects_changed():
    """Return a function that touches something else than the one that was defined first."""

    @tool(reads="price", idempotent=True)
    async def twice(x: int, nap_s: float) -> list:
        """Return the price with a number."""
        await nap(nap_s)
        return [World.price, x]

    return {"twice": twice}


#: Few, so that calls repeat each other.
naps = one_of(1.0, 0.0)
number = either(one_of(0, 1), one_of(0, 1, 2), result_of("check", otherwise=0))
to = one_of("Ada", "Bob")

KIND = Kind(
    module=__name__,
    begin=begin,
    state=state,
    calls=(
        (twice, {"x": number, "nap_s": naps}),
        (quote, {"nap_s": naps}),
        (raise_price, {"by": number, "nap_s": naps}),
        (fix, {"price": number, "nap_s": naps}),
        (send, {"to": to, "nap_s": naps}),
        (sign, {"to": to, "nap_s": naps}),
        (check, {"x": number, "nap_s": naps}),
        (ask, {"x": number, "nap_s": naps}),
        (sell, {"x": number, "nap_s": naps}),
        (twice, {"x": number, "nap_s": naps}),
    ),
    redefined=(_again(), _effects_changed()),
    irreversible=frozenset({"send", "sign", "sell"}),
    asks=frozenset({"ask", "sell"}),
    approves=lambda arguments: arguments["x"] != 1,
    stoppable=frozenset({"twice", "quote", "check", "raise_price", "fix", "send", "sign", "ask", "sell"}),
    beginnings=("", "", "fork", "file"),
)
