"""What a tool is: its definition, its schema for the model, and what its function may ask about the running call."""
