"""Measured performance: files of several projects, interpolated inside, rejected outside."""

from servemix.performance.profile.format import Format, known_formats
from servemix.performance.profile.lookup import ProfileTable
from servemix.performance.profile.names import Names
from servemix.performance.profile.reading import read_profile
from servemix.performance.profile.records import (
    Assume,
    Coefficients,
    Demand,
    Deployment,
    GpuPrice,
    Point,
    Profile,
)
from servemix.performance.profile.use import FileUse, MeasuredUse

__all__ = [
    "Assume",
    "Coefficients",
    "Demand",
    "Deployment",
    "FileUse",
    "Format",
    "GpuPrice",
    "MeasuredUse",
    "Names",
    "Point",
    "Profile",
    "ProfileTable",
    "known_formats",
    "read_profile",
]
