"""The search: which design is trained next, and how far.

halving       who goes on from rung to rung
suggester     Optuna as the suggestion service
scores        what designs reached under each seed, and what is estimated of them
progress      what a search says while it runs
state         what is known, what waits on which rung, what the sampler has heard
feasibility   what designs cost, and whether that is within the limits
common_fault  failures of all designs are told from those of one
search        hands out jobs and takes in their rows
migration     an earlier run's results in a changed study
"""

__all__: list[str] = []
