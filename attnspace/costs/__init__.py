"""Costs: what a block or a network needs, found without training it.

meta      runs of a model for its shapes alone
network   parameters, FLOPs and bytes kept for backward, on the meta device
latency   how long a forward pass takes on the device in use
"""

__all__: list[str] = []
