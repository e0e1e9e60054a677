"""Analysis: what recorded results say, read without the study.

significance    paired differences, their test, its correction, and the seeds it needs
intervals       95% intervals, and what they are called
sequential      looks at a test while its data come in
pairs           two designs at a time, at the looks that a confirmation has taken
decision        what a confirmation comes to
recipe_order    whether the order of designs holds at other learning rates
recommendation  the same for one design, in numbers and in a sentence
verdict         a run's confirmation, read from its record
winner          the design that a run hands over
handed_over     its row in the table, and whose weights are kept
observations    what is known of the trials of a search
rungs           what each rung of a search tells of the next
importance      which choices matter
"""

__all__: list[str] = []
