"""Scores: the BSDS500 edge benchmark. What compiles (numba) is loaded when it is first used."""

from featheredge.metrics.edges import EdgeMetric
from featheredge.metrics.protocol import EdgeProtocol
from featheredge.metrics.scores import EdgeScores

__all__ = ["EdgeMetric", "EdgeProtocol", "EdgeScores"]
