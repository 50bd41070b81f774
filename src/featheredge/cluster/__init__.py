"""Pictures on many machines: inputs from anywhere, Ray Data as engine, a manifest of the results.

`find` lists the inputs: folders, patterns, addresses, and pictures packed in tar or Parquet files.
`run` does what `featheredge.batch.run` does, in the processes of a Ray cluster, and keeps a
manifest in the output folder, from which a stopped run continues.
"""

from featheredge.cluster.find import find
from featheredge.cluster.manifest import Manifest, Row
from featheredge.cluster.run import connected, num_workers, run

__all__ = ["Manifest", "Row", "connected", "find", "num_workers", "run"]
