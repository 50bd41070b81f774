"""The exception classes of featheredge; all derive from `FeatheredgeError`.

Each message says what was seen, what is allowed and what to type.
"""


class FeatheredgeError(Exception):
    """Base class of all errors that a caller can fix or handle."""


class ImageError(FeatheredgeError, ValueError):
    """An image or map that cannot be read, or has a wrong shape, dtype or range."""


class UnknownModelError(FeatheredgeError, ValueError):
    """A model name that is not in the catalog."""


class WeightsError(FeatheredgeError, ValueError):
    """A weights file that is missing, damaged or not written by featheredge."""


class ProviderError(FeatheredgeError, RuntimeError):
    """An execution provider that is not available."""


class MissingExtraError(FeatheredgeError, ImportError):
    """An optional dependency that is not installed; the message has the install command."""


class EvaluationError(FeatheredgeError, ValueError):
    """Predictions, annotations or data sets that are incomplete or do not fit together."""


class RecipeError(FeatheredgeError, ValueError):
    """A recipe that is not valid or cannot be run on this machine."""


class ArgumentError(FeatheredgeError, ValueError):
    """An argument outside its allowed values."""


class OutputError(FeatheredgeError, ValueError):
    """An output that cannot be written, exists already, or is shared by two inputs."""


class ClusterError(FeatheredgeError, RuntimeError):
    """A Ray cluster that cannot be reached or cannot start worker processes."""


class VideoError(FeatheredgeError, ValueError):
    """A video, camera or stream of frames that cannot be read."""


class NoObjectError(FeatheredgeError, ValueError):
    """An image without a salient object to cut out."""
