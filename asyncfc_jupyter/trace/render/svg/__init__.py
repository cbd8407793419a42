"""The timeline and the comparison as SVG."""
