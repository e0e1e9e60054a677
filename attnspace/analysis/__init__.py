"""Analysis: what recorded results say, read without the study.

significance  whether one design is better than another
verdict       a run's confirmation in numbers and in a sentence
handed_over   which design of a run is handed over, and whose weights are kept
robust        values of which one that lies far off decides nothing
observations  what is known of the trials of a search
importance    which choices matter
"""

__all__: list[str] = []
