"""Request traces: readers per format, and their calibration to query types and rates.

>>> from servemix.traces import calibrate, read_trace
>>> calibration = calibrate(read_trace("AzureLLMInferenceTrace_conv.csv"))  # doctest: +SKIP
>>> calibration.query_types()  # doctest: +SKIP
"""

from servemix.traces.calibrate import Calibration, calibrate
from servemix.traces.counters import calibrate_counters
from servemix.traces.demand import CalibratedType, Demand
from servemix.traces.prometheus import DemandServerError, calibrate_prometheus
from servemix.traces.rates import RateSeries, read_rate_series
from servemix.traces.read import FORMATS, read_trace
from servemix.traces.trace import BrokenRows, Trace

__all__ = [
    "FORMATS",
    "BrokenRows",
    "CalibratedType",
    "Calibration",
    "Demand",
    "DemandServerError",
    "RateSeries",
    "Trace",
    "calibrate",
    "calibrate_counters",
    "calibrate_prometheus",
    "read_rate_series",
    "read_trace",
]
