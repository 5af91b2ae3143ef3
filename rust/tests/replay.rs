// SPDX-License-Identifier: GPL-2.0

//! Feeds the bodies of the fuzz targets with pseudo-random input, without a fuzzer.
//!
//! `REPLAY_SEED` sets the seed, `REPLAY_INPUTS` the number of inputs for each target.

#[path = "../fuzz/entry.rs"]
#[expect(unreachable_pub, reason = "public for the fuzz targets")]
mod entry;

/// Number that is in the environment, or a default.
fn from_env(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}

/// SplitMix64: small, and every seed is good.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;

        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Bytes of which a share that differs by input are zero or small.
    fn bytes(&mut self) -> Vec<u8> {
        let len = self.next() % 400;
        let small = self.next() % 4;

        (0..len)
            .map(|_| {
                let value = self.next();
                let byte = value as u8;

                match value >> 8 & 3 {
                    0 if small > 0 => 0,
                    1 if small > 1 => byte % 16,
                    _ => byte,
                }
            })
            .collect()
    }
}

/// Calls a target with many inputs; the captured output of a failure has what is needed to repeat
/// it.
fn replay(target: fn(&[u8])) {
    let seed = from_env("REPLAY_SEED", 0x6b68_6f21);
    let inputs = from_env("REPLAY_INPUTS", 20_000);
    let mut random = Random(seed);

    assert!(inputs > 0, "REPLAY_INPUTS=0 tests nothing");
    println!("REPLAY_SEED={seed} REPLAY_INPUTS={inputs}");
    for i in 0..inputs {
        let bytes = random.bytes();
        let outcome = std::panic::catch_unwind(|| target(&bytes));

        if let Err(panic) = outcome {
            println!("input {i}: {bytes:02x?}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// One test for each target.
macro_rules! targets {
    ($($target:ident),+ $(,)?) => {
        $(
            #[test]
            fn $target() {
                replay(entry::$target);
            }
        )+
    };
}

targets!(key, radix, chain, vmalloc, memfd, name, pci, scratch, metadata);
