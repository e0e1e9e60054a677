"""The confirmation: the best designs, the baselines and two controls on fresh, paired seeds.

controls   designs that a winner is compared with to learn where its gain comes from
confirm    trains what is missing of a confirmation
"""

__all__: list[str] = []
