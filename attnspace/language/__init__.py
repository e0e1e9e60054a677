"""The language: specs as documents, what they mean at C channels, and the modules that they become.

stages        one block for all stages of a network, or a block for each
specs        block specs as files and texts: load, parse, save
identity     what a spec is at C channels, and when two specs are one design
difference   what turns one block into another, in words
compiler     a spec at C channels into a module
catalogue    the published blocks as a table
"""

__all__: list[str] = []
