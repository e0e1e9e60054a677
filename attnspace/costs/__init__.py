"""Costs: what a block or a network needs, found without training it. Importing this package declares the usual costs.

quick_shapes  what common operations return, without asking torch
inputs        what a model is called with when it is run for its shapes
probe         copies of a model that are run for their shapes
network       parameters, FLOPs and bytes kept for backward
latency       how long a forward pass takes on the device in use
subject       a network whose costs are measured
declaration   what a cost is: everything that shows or limits costs follows
measured      one file for each cost
"""

from __future__ import annotations

from attnspace.costs import measured

__all__ = ["measured"]
