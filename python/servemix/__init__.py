"""Plan LLM serving on heterogeneous GPUs: what to deploy and where to send each kind of request."""

from servemix._core import __version__

__all__ = ["__version__"]
