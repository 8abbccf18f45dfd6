"""Azure LLM inference traces of 2023 and 2024, and the multimodal one of 2025.

Columns ``TIMESTAMP,ContextTokens,GeneratedTokens``, in 2025 ``NumImages`` as well; times are dates,
in 2023 without an offset and with seven decimals. Source: github.com/Azure/AzurePublicDataset
(CC-BY; Patel et al., ISCA 2024; Stojkovic et al., HPCA 2025; Qiu et al., SoCC 2025).
"""

from __future__ import annotations

from servemix.traces._csv_format import CsvFormat

__all__ = ["FORMAT"]

FORMAT = CsvFormat(
    name="azure",
    time=("timestamp",),
    input_tokens=("contexttokens",),
    output_tokens=("generatedtokens",),
    num_images=("numimages",),
)
"""The format."""
