//! The GPUs that physical problems rent.

pub(super) struct Gpu {
    pub(super) name: &'static str,
    pub(super) memory_gb: f64,
    pub(super) flops: f64,
    pub(super) bandwidth_gb_s: f64,
    pub(super) link_gb_s: f64,
    pub(super) usd_per_h: (f64, f64),
}

/// The GPUs of the paper with the figures of their data sheets (dense FP16), rented in the paper's range.
pub(super) const GPUS: [Gpu; 4] = [
    gpu("a6000", 48.0, 155e12, 768.0, 28.0, (0.5, 0.9)),
    gpu("rtx4090", 24.0, 165e12, 1008.0, 16.0, (0.35, 0.6)),
    gpu("a100", 40.0, 312e12, 1555.0, 300.0, (1.0, 1.6)),
    gpu("h100", 80.0, 989e12, 3350.0, 450.0, (1.8, 2.5)),
];

const fn gpu(name: &'static str, memory_gb: f64, flops: f64, bandwidth: f64, link: f64, usd: (f64, f64)) -> Gpu {
    Gpu { name, memory_gb, flops, bandwidth_gb_s: bandwidth, link_gb_s: link, usd_per_h: usd }
}
