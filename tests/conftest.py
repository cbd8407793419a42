"""Rules for every test: it does not block the loop, has a time limit, cleans up, and is recorded."""

pytest_plugins = (
    "tests.suite.blocking",
    "tests.suite.expected",
    "tests.suite.known_keys",
    "tests.suite.leftovers",
    "tests.suite.limits",
    "tests.suite.long_form",
    "tests.suite.memory",
    "tests.suite.notices",
    "tests.suite.order",
    "tests.suite.second_run",
)
