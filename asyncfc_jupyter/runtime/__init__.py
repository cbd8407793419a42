"""The runtime: tools, executors, the log, and the driver that carries out what the machine orders."""
