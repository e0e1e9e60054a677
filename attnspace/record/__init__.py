"""The record of a run: what is written while it goes on, and how it is read.

answers       what a network said of each test image
evaluation    one row of the record
checkpoints   trainings that wait on a rung
plan          what a confirmation was planned to be
ledger        one row for each evaluation, the record from which everything else is derived
results       a run as tables, read without its study
"""

__all__: list[str] = []
