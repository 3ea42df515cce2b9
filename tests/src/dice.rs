//! Chance that can be repeated: everything random in a case comes from its seed.

/// The seed of this run: the one in `DEPSYNC_TESTS_SEED`, or another each time. It is said, to repeat a failure with.
#[allow(clippy::print_stderr, reason = "how to repeat a failure is for the person who reads the test's output")]
pub fn seed() -> u64 {
    let given = std::env::var("DEPSYNC_TESTS_SEED").ok();
    let seed = given.map_or(u64::from(std::process::id()), |text| text.parse().expect("a number as seed"));
    eprintln!("DEPSYNC_TESTS_SEED={seed}");
    seed
}

/// A generator (`SplitMix64`): small, seeded with one number, good enough to choose edits.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The generator of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound as u64).expect("because it is below a usize")
    }

    /// True `percent` times in a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`; none of none.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> Option<T> {
        if choices.is_empty() { None } else { Some(choices[self.below(choices.len())].clone()) }
    }
}
