"""What is kept of a result, and how it is shown: snapshots, summaries for the model, descriptions of objects."""
