"""The trade-off report: scores, times, costs and maps of networks and of pruning steps.

`collect` finds networks with scores, `points` measures them (`cost`, `speed`, maps of example
pictures), `front` selects the Pareto front, and `page` and `figure` draw the report.
"""
