"""Models behind openai-python: the Chat Completions API and the Responses API, and the connection that both use."""
