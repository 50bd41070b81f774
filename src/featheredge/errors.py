"""Every error featheredge raises on purpose, so that callers can catch one class.

Each message says what was seen, what was expected and what to do about it.
"""


class FeatheredgeError(Exception):
    """Base of all errors that a caller can act on."""


class ImageError(FeatheredgeError, ValueError):
    """A picture that cannot be read or is not what an image must be."""


class UnknownModelError(FeatheredgeError, ValueError):
    """A model name that the catalog does not know."""


class WeightsError(FeatheredgeError, ValueError):
    """A weights file that is missing, damaged or not one of ours."""


class ProviderError(FeatheredgeError, RuntimeError):
    """An execution provider that is not available."""


class MissingExtraError(FeatheredgeError, ImportError):
    """An optional dependency that is not installed; the message has the command to install it."""


class EvaluationError(FeatheredgeError, ValueError):
    """Predictions and annotations that cannot be scored against each other."""


class RecipeError(FeatheredgeError, ValueError):
    """A recipe that does not parse or asks for what cannot be done."""


class ArgumentError(FeatheredgeError, ValueError):
    """An argument outside the values it can take."""


class OutputError(FeatheredgeError, ValueError):
    """An output that cannot be written, would overwrite something, or belongs to two inputs."""


class NoObjectError(FeatheredgeError, ValueError):
    """A picture in which nothing is salient enough to be cut out."""
