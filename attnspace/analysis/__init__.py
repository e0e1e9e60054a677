"""Analysis: what recorded results say, read without the study.

significance  whether one design is better than another
verdict       a run's confirmation in numbers and in a sentence
importance    which choices matter
"""

__all__: list[str] = []
