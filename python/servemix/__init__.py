"""Plan LLM serving on heterogeneous GPUs: what to deploy and where to send each kind of request."""

from servemix._core import __version__
from servemix._errors import InternalError, InvalidInputError, MissingExtraError, ServemixError

__all__ = [
    "InternalError",
    "InvalidInputError",
    "MissingExtraError",
    "ServemixError",
    "__version__",
]
