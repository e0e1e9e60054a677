"""The confirmation: the best designs, the baselines and two controls on fresh, paired seeds.

controls       designs that a winner is compared with to learn where its gain comes from
planning       what a confirmation is to be, and whether it may still change
confirm        trains what is missing of a confirmation
recipe_check   trains three designs at other learning rates
"""

__all__: list[str] = []
