"""The record of a run: what is written while it goes on, and how it is read.

answers       what a network said of each test image
evaluation    one row of the record
checkpoints   trainings that wait on a rung
weights       the weights that a confirmation keeps
plan          what a confirmation was planned to be
database      an SQLite file that one process writes and others read
ledger        one row for each evaluation, the record from which everything else is derived
estimated     what is estimated of each design's mean over seeds
kept          a folder that keeps the table of a run alone
results       a run as tables, read without its study
"""

__all__: list[str] = []
