"""Costs: what a block or a network needs, found without training it.

meta          runs of a model for its shapes alone
network       parameters, FLOPs and bytes kept for backward, on the meta device
latency       how long a forward pass takes on the device in use
subject       a network whose costs are measured
declaration   what a cost is: everything that shows or limits costs follows
measured      one file for each cost
"""

__all__: list[str] = []
