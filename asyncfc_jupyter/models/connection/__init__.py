"""The connection to a model's server: one request and the stream of its reply, its retries, its clients and its errors."""
