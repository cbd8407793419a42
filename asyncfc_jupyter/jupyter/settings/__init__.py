"""Settings: one table of what can be set, and the sources that set it."""
