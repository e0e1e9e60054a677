"""Training: how the designs of a study come to their results. Importing this package declares the kinds of it.

epoch        what one epoch came to
train        the section `train` of a study, a family of kinds
method       what a kind of training must be able to do
recipe       the section of attnspace's own training: schedule, sizes, augmentation
outputs      which part counts of what a network returns
rehearsal    whether a network can be trained at all
step         one update of a network's weights
cuda_graph   steps as replays of one CUDA graph
training     epochs of steps, which may pause and go on
sgd          attnspace's own training, by a recipe
loop         training loops of the user's
replay       recorded results in place of training
"""

from __future__ import annotations

from attnspace.training.loop import Loop
from attnspace.training.method import Assignment, Method, Run, Workplace
from attnspace.training.recipe import Recipe
from attnspace.training.replay import Replay
from attnspace.training.sgd import SgdMethod
from attnspace.training.train import Train

__all__ = ["Assignment", "Loop", "Method", "Recipe", "Replay", "Run", "SgdMethod", "Train", "Workplace"]
