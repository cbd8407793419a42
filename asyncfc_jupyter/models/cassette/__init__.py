"""Cassettes: a model's requests and replies recorded in a file, and a model that replays them."""
