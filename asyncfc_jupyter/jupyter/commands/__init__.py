"""The commands of the line magic %agent, a file for each group."""
