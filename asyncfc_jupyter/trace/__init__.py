"""Folds over the events of a run: measures, the timeline and its renderings."""
