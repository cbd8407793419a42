"""The demonstration: one plan, real tools, a real database, four ways to call functions. Needs no key and no network."""
