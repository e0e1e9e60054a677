"""Spaces: JSON with holes, to count, draw from, enumerate and search.

holes         JSON data with holes, compiled to a tree of parameters
membership    whether JSON data fills a tree, and by which answers
space         a space of designs
"""

__all__: list[str] = []
