"""Files of every profile format, written by hand as the projects write them."""

from __future__ import annotations

from typing import Any

from servemix.performance.profile import Assume

ON_H100 = Assume(model="llama-3.1-8b", gpu="h100", precision="bf16")

OWN = """model,gpu,precision,tp,pp,concurrency,prompt_tokens,output_tokens,ttft_s,tpot_s,\
requests_per_s
llama-3.1-8b,h100,bf16,1,1,16,1024,128,0.05,0.009,
llama-3.1-8b,h100,fp16,2,1,16,1024,128,0.03,0.006,20.5
"""

VLLM_BENCH: dict[str, Any] = {
    "date": "20251101-120000",
    "backend": "vllm",
    "model_id": "meta-llama/Llama-3.1-8B-Instruct",
    "tokenizer_id": "meta-llama/Llama-3.1-8B-Instruct",
    "num_prompts": 200,
    "request_rate": "inf",
    "burstiness": 1.0,
    "max_concurrency": 32,
    "duration": 10.0,
    "completed": 200,
    "total_input_tokens": 204800,
    "total_output_tokens": 25600,
    "request_throughput": 20.0,
    "output_throughput": 2560.0,
    "mean_ttft_ms": 120.0,
    "median_ttft_ms": 110.0,
    "p99_ttft_ms": 300.0,
    "mean_tpot_ms": 11.0,
    "mean_itl_ms": 11.2,
    "mean_e2el_ms": 1517.0,
}

MELANGE: dict[str, Any] = {
    "gpu_info": {
        "A100-80GB": {"cost": 3.67, "tputs": [[20, 2], [10, 1], [5, 0.5]]},
        "H100": {"cost": 7.5, "tputs": [[40, 4], [20, 2], [10, 1]]},
    },
    "workload_distribution": [[0.5, 0.1], [0.2, 0.1], [0.1, 0.0]],
    "total_request_rate": 2.0,
    "slice_factor": 1,
}
MELANGE_SIZES = Assume(
    model="llama-3.1-8b",
    precision="bf16",
    prompt_sizes=(25.0, 250.0, 2000.0),
    output_sizes=(50.0, 500.0),
)

# as its generator writes it: 3 output sizes are the rows, 2 prompt sizes the columns
AIBRIX: dict[str, Any] = {
    "gpu": "my-llama-a100",
    "cost": 1.5,
    "tputs": [[60.0, 16.0], [15.0, 8.0], [3.0, 2.0]],
    "indexes": [[4, 64, 256], [128, 1024]],
    "created": 1748888478.2,
    "e2e": [[0.1, 0.3], [0.8, 1.2], [2.9, 4.0]],
    "ttft": [[0.02, 0.11], [0.03, 0.12], [0.04, 0.13]],
    "slos": {"percentile": 99, "e2e": 5.0},
}
ON_A100 = Assume(model="llama-3.1-8b", gpu="a100", precision="bf16")

AICONFIGURATOR = (
    "model,isl,osl,prefix,concurrency,request_rate,bs,global_bs,ttft,tpot,request_latency,"
    "seq/s,seq/s/gpu,tokens/s,tokens/s/gpu,num_total_gpus,tp,pp,dp,gemm,memory,backend,version,"
    "system,power_w\n"
    "meta-llama/Meta-Llama-3.1-70B,4000,500,0,32,4.2,16,16,450.5,21.5,11179.0,"
    "2.8,0.35,1400,175,8,4,1,1,fp8,61.2,trtllm,1.0.0,h200_sxm,550\n"
)

INFERNO_ACCELERATORS: dict[str, Any] = {
    "accelerators": [
        {"name": "4xA100", "type": "A100", "multiplicity": 4, "memSize": 320, "cost": 160.0},
        {"name": "L4", "type": "L4", "multiplicity": 1, "memSize": 24, "cost": 6.0},
    ]
}
INFERNO_MODELS: dict[str, Any] = {
    "models": [
        {
            "name": "llama_70b",
            "acc": "A100",
            "accCount": 4,
            "maxBatchSize": 10,
            "atTokens": 512,
            "perfParms": {"alpha": 27.41, "beta": 0.707, "gamma": 0.02},
        },
        {
            "name": "llama_70b",
            "acc": "H100",
            "accCount": 4,
            "maxBatchSize": 20,
            "atTokens": 512,
            "decodeParms": {"alpha": 15.0, "beta": 0.3},
            "prefillParms": {"gamma": 20.0, "delta": 0.1},
        },
    ]
}
INFERNO_SYSTEM: dict[str, Any] = {
    "system": {
        "acceleratorData": INFERNO_ACCELERATORS,
        "modelData": INFERNO_MODELS,
        "serviceClassData": {
            "serviceClasses": [
                {
                    "name": "Premium",
                    "priority": 1,
                    "modelTargets": [{"model": "llama_70b", "slo-itl": 40, "slo-ttft": 1000}],
                }
            ]
        },
        "serverData": {
            "servers": [
                {
                    "name": "Premium-llama_70b",
                    "class": "Premium",
                    "model": "llama_70b",
                    "currentAlloc": {
                        "load": {"arrivalRate": 60, "AvgInTokens": 128, "AvgOutTokens": 1024}
                    },
                }
            ]
        },
    }
}
ON_INFERNO = Assume(precision="bf16", models={"llama_70b": "llama-2-70b"})

PLANNER: dict[str, Any] = {
    "_metadata": {"description": "Benchmarks", "generation_method": "BLIS simulated data"},
    "benchmarks": [
        {
            "model_hf_repo": "meta-llama/Llama-3.1-8B",
            "hardware": "H100",
            "hardware_count": 2,
            "framework": "vllm",
            "prompt_tokens": 512,
            "output_tokens": 256,
            "ttft_mean": 22.0,
            "ttft_p90": 25.6,
            "itl_mean": 10.0,
            "e2e_mean": 2500.0,
            "requests_per_second": 2.0,
            "responses_per_second": 1.6,
            "tokens_per_second": 247.0,
        }
    ],
}
