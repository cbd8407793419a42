"""Running calls: the driver that carries out what the scheduler orders, attempts, retries, the event log."""
