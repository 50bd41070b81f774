"""Scores: the BSDS500 edge benchmark, and saliency.

What compiles (numba) is loaded when it is first used.
"""

from featheredge.metrics.edge_metric import EdgeMetric
from featheredge.metrics.edge_protocol import EdgeProtocol
from featheredge.metrics.edge_scores import EdgeScores
from featheredge.metrics.saliency_metric import SaliencyMetric
from featheredge.metrics.saliency_protocol import SaliencyProtocol
from featheredge.metrics.saliency_scores import SaliencyScores

__all__ = [
    "EdgeMetric",
    "EdgeProtocol",
    "EdgeScores",
    "SaliencyMetric",
    "SaliencyProtocol",
    "SaliencyScores",
]
