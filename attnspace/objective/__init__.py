"""The objective: what is better, and what a design may cost.

metrics     what a metric is: a number that comes out of a training
robust      values of which one that lies far off decides nothing
forecast    what a design on a rung would reach at the end
estimate    the mean of a design over seeds, estimated from few
limits     upper limits of costs
goals      metrics and costs, and which way is better
"""

__all__: list[str] = []
