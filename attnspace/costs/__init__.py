"""Costs: what a block or a network needs, found without training it. Importing this package declares the usual costs.

quick_shapes  what common operations return, without asking torch
meta          runs of a model for its shapes alone
network       parameters, FLOPs and bytes kept for backward, on the meta device
latency       how long a forward pass takes on the device in use
subject       a network whose costs are measured
declaration   what a cost is: everything that shows or limits costs follows
measured      one file for each cost
"""

from __future__ import annotations

from attnspace.costs import measured

__all__ = ["measured"]
