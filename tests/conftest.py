"""What holds for every test: a limit, no traces left behind, and a record of what ran where."""

pytest_plugins = (
    "tests.suite.leftovers",
    "tests.suite.limits",
    "tests.suite.long_form",
    "tests.suite.order",
    "tests.suite.second_run",
)
