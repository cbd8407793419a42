"""One kernel's session: its tools, models, conversations and runs."""
