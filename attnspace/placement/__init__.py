"""Placement: where blocks stand in a network.

position      what a place in a block of a backbone is called
sites         the modules that hold a place for a block
slots         the named places of a backbone where a block may stand
placement     which slots a design uses: position, stages, every k-th block
document      a design as a document: blocks and a placement
patterns      modules of a model, found by their names and types
insertion     blocks put into the slots of a model
observation   what a forward pass shows at places of a model
layouts       which axes of a map are its channels
stages        the numbers of stages and blocks
openings      slots opened in any model
coverage      how much of a network's depth slots reach over
watch         sees to it that inserted blocks run
"""

__all__: list[str] = []
