//! The parts of a working solution: deployments with their loads, traffic, and whole numbers of replicas.

/// A deployed configuration with its loads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) configuration: u32,
    pub(super) replicas: u32,
    /// Replicas whose time is taken; at most `replicas`.
    pub(super) time: f64,
    /// Replicas whose memory is taken; at most `replicas`.
    pub(super) memory: f64,
}

impl Slot {
    /// Replicas that are taken, by time or by memory, whichever is more.
    #[inline]
    pub(super) fn load(&self) -> f64 {
        self.time.max(self.memory)
    }
}

/// `f64::ceil`, which without SSE 4.1 is a call into a library.
#[inline]
pub(super) fn ceil(value: f64) -> f64 {
    // From here on every number is whole.
    if value.abs() >= 4_503_599_627_370_496.0 {
        return value;
    }
    let whole = value as i64 as f64;
    if whole < value {
        whole + 1.0
    } else {
        whole
    }
}

/// `f64::floor` likewise.
#[inline]
pub(super) fn floor(value: f64) -> f64 {
    -ceil(-value)
}

/// Traffic on a route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    pub(super) query_type: u32,
    pub(super) configuration: u32,
    /// Position in the route table.
    pub(super) route: u32,
    pub(super) fraction: f64,
}
