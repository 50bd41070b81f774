"""Adapters: featheredge behind the interfaces of other packages, to replace them in one line.

from featheredge.compat import remove, new_session  # as in rembg
from featheredge.compat import FeatherEdgeDetector  # as in controlnet_aux
"""

from featheredge.compat.controlnet_aux import FeatherEdgeDetector
from featheredge.compat.rembg import new_session, remove

__all__ = ["FeatherEdgeDetector", "new_session", "remove"]
