"""The adapter for Anthropic's Messages API, and what it is made of."""
