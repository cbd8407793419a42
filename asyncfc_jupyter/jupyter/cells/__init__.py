"""What happens in a cell: the transformer, the body of a tool cell, prompts, interrupts."""
