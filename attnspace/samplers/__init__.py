"""Samplers: what suggests designs. All are Optuna samplers, two of them Optuna's own.

registry     what a sampler is called, and how it is made
growing      an array that grows row by row
dominance    which of several points are better, where there is more than one objective
history      what a sampler learns from: completed trials and their values
tree         what evolution and NSGA-II have in common
tpe          Optuna's tree-structured Parzen estimator, one for each group of holes that are asked together
coding       the answers of trials as numbers
forest       a random forest's most promising candidate; the default, by measurement
nsga2        children of two of the ten best designs so far
evolution    regularised evolution: a good recent design with a change
uniform      `random`: each hole by itself, every option as likely
exhaustive   every filling once, in random order
"""

from __future__ import annotations

from attnspace.samplers.evolution import Evolution
from attnspace.samplers.exhaustive import Exhaustive
from attnspace.samplers.forest import Forest
from attnspace.samplers.nsga2 import NSGA2
from attnspace.samplers.registry import SamplerName, keeps_order, make, names, sampler
from attnspace.samplers.tpe import tpe
from attnspace.samplers.uniform import uniform

__all__ = [
    "Evolution",
    "Exhaustive",
    "Forest",
    "NSGA2",
    "SamplerName",
    "keeps_order",
    "make",
    "names",
    "sampler",
    "tpe",
    "uniform",
]
