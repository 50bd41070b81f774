"""The trade-off report: what every network and every compression step scores, costs and shows."""
