//! A block of steps: the windows that are open in it, by when they close, and the steps that are taken.

/// Choices made at a time, as many as a word has bits.
pub(super) const BLOCK: usize = 64;
/// Whole steps that the windows of a frequent target are apart and stay open at most. There are no more such targets than
/// this, and with the most of their windows that a block can meet, two each beside those that it has steps for, a byte
/// counts them all.
pub(super) const FREQUENT: u64 = BLOCK as u64 / 2;
/// No window of a frequent target that opens within the block closes after so many steps.
pub(super) const NEAR: usize = BLOCK + FREQUENT as usize;
/// What a byte may say.
pub(super) const BYTES: usize = 1 << 8;

/// A window: its target, the position of that among the frequent ones, and the steps of the block at which it closes and opens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window(u64);

/// Windows by when they close. Kept from block to block, since it takes time to make.
#[derive(Debug)]
pub(super) struct Windows(pub(super) [Window; BYTES]);

impl Default for Windows {
    fn default() -> Self {
        Self([Window(0); BYTES])
    }
}

impl Window {
    pub(super) fn new(target: u32, position: usize) -> Self {
        Self(u64::from(target) << 32 | (position as u64 & 0xff) << 16)
    }

    /// Window of this target from step `opens` to `closes`.
    pub(super) fn at(self, opens: u8, closes: u8) -> Self {
        Self(self.0 | u64::from(closes) << 8 | u64::from(opens))
    }

    pub(super) fn target(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(super) fn position(self) -> usize {
        usize::from((self.0 >> 16) as u8)
    }

    pub(super) fn closes(self) -> u8 {
        (self.0 >> 8) as u8
    }

    pub(super) fn opens(self) -> u8 {
        self.0 as u8
    }
}

/// The steps of a block, and those that have a choice.
pub(super) struct Steps<'c> {
    pub(super) choices: &'c mut [u32; BLOCK],
    pub(super) taken: u64,
}

impl Steps<'_> {
    /// Gives the first free step from `opens` on to `target`; whether there was one.
    #[inline]
    pub(super) fn take(&mut self, opens: u8, target: u32) -> bool {
        let before = self.taken;
        let is_free = before.leading_ones() < BLOCK as u32 - u32::from(opens);
        if is_free {
            self.take_due(opens, target);
        }
        is_free
    }

    /// Takes the first due step that is free; there must be one.
    #[inline]
    pub(super) fn take_due(&mut self, opens: u8, target: u32) {
        // The carry ends at the first step that is free.
        let taken = self.taken | self.taken.wrapping_add(1 << (opens % BLOCK as u8));
        let chosen = taken ^ self.taken;
        self.taken = taken;
        // One bit, of which this would not be known.
        self.choices[(chosen | 1 << (BLOCK - 1)).trailing_zeros() as usize % BLOCK] = target;
    }
}

pub(super) fn count(number: &mut u8) {
    *number = number.wrapping_add(1);
}

/// Makes numbers of windows by step those of the windows before; how many close within the block, and how many at most
/// [`NEAR`] steps from its beginning.
pub(super) fn sum_up(numbers: &mut [u8; BYTES]) -> (usize, usize) {
    const WORD: usize = 8;
    let mut total = 0_u64;
    let mut num_due = 0;
    for (index, word) in numbers.chunks_exact_mut(WORD).enumerate() {
        if index == BLOCK / WORD {
            num_due = total;
        }
        if index < NEAR / WORD {
            let of_steps = word.iter().rev().fold(0, |bytes, &number| bytes << 8 | u64::from(number));
            // Every byte becomes the sum of those up to it: there are no carries, since all together are less than 256.
            let sums = of_steps.wrapping_mul(0x0101_0101_0101_0101);
            word.copy_from_slice(&((sums << 8).wrapping_add(total.wrapping_mul(0x0101_0101_0101_0101))).to_le_bytes());
            total += sums >> 56;
        } else {
            word.fill(total as u8);
        }
    }
    (num_due as usize, total as usize)
}
