// SPDX-License-Identifier: GPL-2.0

//! Data from a seed: the large file, and the order of retrieval.

use rand::RngCore;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Bytes that are made at once. A multiple of eight, so that the chunks do not show in the data.
pub const CHUNK: usize = 1 << 20;

/// Calls `sink` with `bytes` bytes of data made from `seed`, piece by piece.
///
/// # Errors
///
/// The first error of `sink`.
pub fn generate<E>(
    seed: u64,
    bytes: u64,
    mut sink: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut chunk = vec![0; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        rng.fill_bytes(&mut chunk[..length]);
        sink(&chunk[..length])?;
        left -= length as u64;
    }
    Ok(())
}

/// The numbers below `count` in an order drawn from `seed`.
#[must_use]
pub fn shuffled(seed: u64, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    order
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn bytes(seed: u64, count: u64) -> Vec<u8> {
        let mut all = Vec::new();
        let Ok(()) = generate(seed, count, |chunk| {
            all.extend_from_slice(chunk);
            Ok::<_, Infallible>(())
        });
        all
    }

    #[test]
    fn a_seed_gives_the_same_bytes_whatever_the_length() {
        let long = bytes(7, CHUNK as u64 * 2 + 8);
        assert_eq!(long.len(), CHUNK * 2 + 8);
        assert!(long.starts_with(&bytes(7, CHUNK as u64 + 16)));
        assert_ne!(bytes(8, 64), bytes(7, 64));
        assert_ne!(long[..CHUNK], long[CHUNK..CHUNK * 2]);
        assert!(bytes(7, 0).is_empty());
    }

    #[test]
    fn a_shuffle_is_another_order_of_the_same() {
        let order = shuffled(7, 1000);
        assert_eq!(order, shuffled(7, 1000));
        assert_ne!(order, shuffled(8, 1000));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_ne!(sorted, order);
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
    }
}
