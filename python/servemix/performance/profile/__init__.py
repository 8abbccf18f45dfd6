"""Measured performance: files of several projects, interpolated inside, refused outside."""

from servemix.performance.profile.lookup import ProfileTable
from servemix.performance.profile.reading import FORMATS, read_profile
from servemix.performance.profile.records import (
    Assume,
    Coefficients,
    Demand,
    Deployment,
    GpuPrice,
    Point,
    Profile,
)

__all__ = [
    "FORMATS",
    "Assume",
    "Coefficients",
    "Demand",
    "Deployment",
    "GpuPrice",
    "Point",
    "Profile",
    "ProfileTable",
    "read_profile",
]
