"""Scores: the BSDS500 edge benchmark, and saliency.

What compiles (numba) is loaded when it is first used.
"""

from featheredge.metrics.edges import EdgeMetric
from featheredge.metrics.protocol import EdgeProtocol
from featheredge.metrics.saliency import SaliencyMetric
from featheredge.metrics.saliency_protocol import SaliencyProtocol
from featheredge.metrics.saliency_scores import SaliencyScores
from featheredge.metrics.scores import EdgeScores

__all__ = [
    "EdgeMetric",
    "EdgeProtocol",
    "EdgeScores",
    "SaliencyMetric",
    "SaliencyProtocol",
    "SaliencyScores",
]
