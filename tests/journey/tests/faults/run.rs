use std::sync::LazyLock;

/// Chosen once for all scenarios of the process.
static SEED: LazyLock<u64> = LazyLock::new(|| {
    let Ok(text) = std::env::var("SUANPAN_SEED") else { return rand::random() };
    text.parse().unwrap_or_else(|_not_a_number| panic!("SUANPAN_SEED={text} is no whole number"))
});

/// The seed of this run.
pub fn seed() -> u64 {
    *SEED
}

/// The seed of one scenario, which does not depend on what else runs.
pub fn seed_of(scenario: &str) -> u64 {
    scenario.bytes().fold(seed(), |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Whether there is time for all of it.
pub fn is_long() -> bool {
    std::env::var("SUANPAN_FAULTS").is_ok_and(|which| which == "all")
}
