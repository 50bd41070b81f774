"""Scores of edge maps (the BSDS500 benchmark) and of saliency maps.

Importing this package compiles nothing: modules that use numba are imported on first use.
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
