"""A plugin of pytest: a test fails in which the package itself blocks an event loop, also when the error is swallowed."""

from collections.abc import Iterator

import pytest

from tests.suite import watching


@pytest.fixture(autouse=True)
def _loop_not_blocked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make a blocking call of the package on a running loop an error, and fail the test in the end that made one.

    Not in tests of the browser: the loop that runs there is playwright's, in the thread of the test.
    """
    if request.node.get_closest_marker("browser"):
        yield
        return
    watching.taken()
    with watching.watched():
        yield
    if found := watching.taken():
        pytest.fail(
            "the package blocked the event loop:\n" + "\n".join(sorted({str(each) for each in found})), pytrace=False
        )
