"""Folds: from the events of a run to spans, rows of futures and the lane of decoding."""
