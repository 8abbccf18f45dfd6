//! KV-cache blocks of one engine, with the blocks that prompts share: [`Blocks`].

use std::collections::{BTreeMap, HashMap};

/// A block that is kept under its hash.
#[derive(Debug, Clone, Copy)]
struct Kept {
    /// Sequences that use it now.
    users: u32,
    /// When it was last released; its key in the order of eviction where no one uses it.
    stamp: u64,
}

/// Counts of blocks, and which hashed blocks are kept. Hashed blocks that no one uses stay until room is needed, the longest
/// unused first, as in vLLM.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    total: u64,
    free: u64,
    /// Blocks of the engine in one hashed block.
    per_hash: u64,
    kept: HashMap<u64, Kept>,
    unused: BTreeMap<u64, u64>,
    clock: u64,
}

impl Blocks {
    pub(super) fn new(total: u64, per_hash: u64) -> Self {
        Self { total, free: total, per_hash, ..Self::default() }
    }

    /// Blocks in use, those that are kept for no one left out.
    pub(super) fn used(&self) -> u64 {
        self.total - self.available()
    }

    pub(super) fn per_hash(&self) -> u64 {
        self.per_hash
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Blocks that could be taken now.
    #[inline]
    pub(super) fn available(&self) -> u64 {
        self.free + self.unused.len() as u64 * self.per_hash
    }

    /// Takes `count` blocks, evicting as needed; `false` and nothing taken where there are not as many.
    #[inline]
    pub(super) fn take(&mut self, count: u64) -> bool {
        if count > self.available() {
            return false;
        }
        while self.free < count {
            let Some((_, hash)) = self.unused.pop_first() else { return false };
            self.kept.remove(&hash);
            self.free += self.per_hash;
        }
        self.free -= count;
        true
    }

    #[inline]
    pub(super) fn give_back(&mut self, count: u64) {
        self.free += count;
    }

    /// How many of the leading `hashes` are kept, and of those, how many no one uses now.
    pub(super) fn matching(&self, hashes: &[u64]) -> (usize, u64) {
        let mut unused = 0;
        let matching = hashes.iter().take_while(|hash| match self.kept.get(hash) {
            Some(kept) => {
                unused += u64::from(kept.users == 0);
                true
            }
            None => false,
        });
        (matching.count(), unused)
    }

    /// Uses kept blocks.
    pub(super) fn share(&mut self, hashes: &[u64]) {
        for hash in hashes {
            if let Some(kept) = self.kept.get_mut(hash) {
                if kept.users == 0 {
                    self.unused.remove(&kept.stamp);
                }
                kept.users += 1;
            }
        }
    }

    /// Keeps blocks that a sequence has computed under their hashes, up to the first that is kept already; says how many.
    pub(super) fn keep(&mut self, hashes: &[u64]) -> usize {
        for (n, &hash) in hashes.iter().enumerate() {
            if self.kept.contains_key(&hash) {
                return n;
            }
            self.kept.insert(hash, Kept { users: 1, stamp: 0 });
        }
        hashes.len()
    }

    /// Ends a sequence's use of kept blocks. The last block of a prompt is the first to be evicted.
    pub(super) fn release(&mut self, hashes: &[u64]) {
        for &hash in hashes.iter().rev() {
            let Some(kept) = self.kept.get_mut(&hash) else { continue };
            kept.users -= 1;
            if kept.users == 0 {
                self.clock += 1;
                kept.stamp = self.clock;
                self.unused.insert(self.clock, hash);
            }
        }
    }
}
