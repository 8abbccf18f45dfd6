"""Performance models: from models and GPUs to the routes of a problem.

Every model gives each configuration a :class:`~servemix.performance.service_curve.ServiceCurve`;
latency, busy time and memory of a route follow from the curve in one place.
"""
