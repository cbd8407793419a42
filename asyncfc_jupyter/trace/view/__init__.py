"""The view of a timeline: everything that is drawn, as plain data, computed in Python once."""
