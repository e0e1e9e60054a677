"""Placement: where blocks stand in a network.

position      what a place in a block of a backbone is called
slots         the named places of a backbone where a block may stand
placement     which slots a design uses: position, stages, every k-th block
document    a design as a document: blocks and a placement
insertion     blocks put into the slots of a model
openings      slots opened in any model, by names and types of its modules
"""

__all__: list[str] = []
