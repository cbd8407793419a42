"""Renderers: a view in, text, SVG or a page out."""
