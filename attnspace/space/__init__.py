"""Spaces: JSON with holes, to count, draw from, enumerate and search.

template      trees of data with holes, and the one traversal of them
holes         JSON data with holes, compiled to a template
filling       a template with its holes answered: by name, by index, at random, or in part
membership    whether JSON data fills a template, and by which answers
coverage      whether every option of every hole is part of a design that is accepted
space         a space of designs
"""

__all__: list[str] = []
