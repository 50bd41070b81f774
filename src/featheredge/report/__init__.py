"""The trade-off report: what every network and every compression step scores, costs and shows.

Data flow one way: `collect` finds networks with scores, `points` examines them (`cost`, `speed`,
maps of example pictures), `front` says which are worth their cost, `page` and `figure` draw.
"""
