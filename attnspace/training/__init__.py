"""Training: how the designs of a study come to their results.

recipe       the schedule, sizes and augmentation of attnspace's own training
step         one update of a network's weights
cuda_graph   steps as replays of one CUDA graph
epoch        what one epoch came to
training     epochs of steps, which may pause and go on
loop         training loops of the user's
replay       recorded results in place of training
"""

__all__: list[str] = []
