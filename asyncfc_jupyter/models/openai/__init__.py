"""Models reached through openai-python: by the Chat Completions API, the Responses API, and asynchronous tools."""
