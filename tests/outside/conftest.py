"""No test reads or writes the configuration, the cache or the keyring of the user who runs it."""

from tests.models.conftest import home

__all__ = ["home"]
