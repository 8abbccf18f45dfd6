"""Request traces: readers per format, and their calibration to query types and rates."""

from servemix.traces.read import FORMATS, read_trace
from servemix.traces.trace import BrokenRows, Trace

__all__ = ["FORMATS", "BrokenRows", "Trace", "read_trace"]
