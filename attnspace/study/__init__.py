"""A study: its file, its designs, and the directory of a run.

config          what may stand in a study file
design          a block, or one for each stage, at a placement
study           everything that a search needs, checked
loading         a study file read, checked and made ready
run_directory   which study a directory belongs to, and who is using it
"""

__all__: list[str] = []
