"""What schedulers call a GPU of the catalog."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["GpuNames", "gpu_names"]


class GpuNames(NamedTuple):
    """Names of one GPU; None if a project has none or it is not known.

    Attributes
    ----------
    resource
        Extended resource of Kubernetes.
    product
        Node label and its value, as the vendor's feature discovery sets them.
    ray
        ``accelerator_type`` of Ray (``ray.util.accelerators``).
    skypilot
        Name in SkyPilot's catalog.
    """

    resource: str = "nvidia.com/gpu"
    product: tuple[str, str] | None = None
    ray: str | None = None
    skypilot: str | None = None


def _nvidia(product: str, ray: str | None, skypilot: str) -> GpuNames:
    return GpuNames(product=("nvidia.com/gpu.product", product), ray=ray, skypilot=skypilot)


_KNOWN = {
    "RTX A6000": _nvidia("NVIDIA-RTX-A6000", "A6000", "RTXA6000"),
    "RTX 4090": _nvidia("NVIDIA-GeForce-RTX-4090", None, "RTX4090"),
    "L4": _nvidia("NVIDIA-L4", "L4", "L4"),
    "L40S": _nvidia("NVIDIA-L40S", "L40S", "L40S"),
    "A10G": _nvidia("NVIDIA-A10G", "A10G", "A10G"),
    "A100-40GB SXM": _nvidia("NVIDIA-A100-SXM4-40GB", "A100-40G", "A100"),
    "A100-80GB SXM": _nvidia("NVIDIA-A100-SXM4-80GB", "A100-80G", "A100-80GB"),
    "H100-80GB SXM": _nvidia("NVIDIA-H100-80GB-HBM3", "H100", "H100"),
    "H200-141GB SXM": _nvidia("NVIDIA-H200", "H200", "H200"),
    "B200-180GB SXM": _nvidia("NVIDIA-B200", "B200", "B200"),
    "MI300X": GpuNames(
        "amd.com/gpu",
        ("amd.com/gpu.product-name", "AMD_Instinct_MI300X_OAM"),
        "AMD-Instinct-MI300X-OAM",
        "MI300X",
    ),
}


def gpu_names(gpu: str | None) -> GpuNames:
    """Look up a GPU by its name in the catalog; one that is not known is taken for NVIDIA's."""
    return _KNOWN.get(gpu or "", GpuNames())
