// SPDX-License-Identifier: GPL-2.0

//! The command line's `kho_scratch=`, and what sizes follow from it.
//!
//! Accepts what mainline's `kho_parse_scratch_size()` accepts, except for numbers that do not
//! fit into 64 bits and for a scale of zero, both of which leave no usable scratch.

use core::fmt;

/// How large scratch regions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScratchSpec {
    /// `N%`: relative to the memory that the kernel itself allocates at boot.
    Scale {
        /// The percentage.
        percent: u32,
    },
    /// `l[KMG],g[KMG],p[KMG]`: fixed sizes in bytes.
    Sizes {
        /// Region in low memory.
        lowmem: u64,
        /// Region for allocations of no particular node.
        global: u64,
        /// Region on each node.
        per_node: u64,
    },
}

/// Why a parameter was refused (`EINVAL`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScratchError {
    /// There is nothing, or no number where one should be.
    NoNumber,
    /// A number does not fit into its type, or the sum of the sizes does not.
    TooLarge,
    /// All sizes are zero, or the scale is.
    Zero,
    /// There is no comma after one of the first two sizes.
    NoComma,
    /// Something follows the number or the last size.
    Trailing,
}

impl fmt::Display for ScratchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNumber => "number missing",
            Self::TooLarge => "number too large",
            Self::Zero => "no scratch memory at all",
            Self::NoComma => "three sizes wanted, separated by commas",
            Self::Trailing => "something follows the last number",
        })?;
        f.write_str("; use N% or LOWMEM,GLOBAL,PERNODE with suffixes K, M or G")
    }
}

impl Default for ScratchSpec {
    /// Twice what the kernel itself needed, as mainline.
    fn default() -> Self {
        Self::Scale { percent: 200 }
    }
}

/// Value of a digit, or [`None`] where it is not one of `base`.
fn digit(byte: u8, base: u32) -> Option<u32> {
    char::from(byte).to_digit(base)
}

/// Reads digits of `base`; returns the number and what follows.
fn digits(text: &[u8], base: u32) -> Result<(u64, &[u8]), ScratchError> {
    let mut value: u64 = 0;
    let mut rest = text;

    while let Some((digit, tail)) = rest
        .split_first()
        .and_then(|(byte, tail)| Some((digit(*byte, base)?, tail)))
    {
        value = value
            .checked_mul(u64::from(base))
            .and_then(|value| value.checked_add(u64::from(digit)))
            .ok_or(ScratchError::TooLarge)?;
        rest = tail;
    }
    if rest.len() == text.len() {
        return Err(ScratchError::NoNumber);
    }
    Ok((value, rest))
}

/// Reads a size with its suffix, as the kernel's `memparse()` does: `0x` means hexadecimal,
/// another leading zero octal; `K`, `M`, `G`, `T`, `P` and `E` are powers of 1024.
fn size(text: &[u8]) -> Result<(u64, &[u8]), ScratchError> {
    let (value, rest) = match text {
        [b'0', b'x' | b'X', tail @ ..]
            if tail.first().is_some_and(|byte| byte.is_ascii_hexdigit()) =>
        {
            digits(tail, 16)?
        }
        [b'0', ..] => digits(text, 8)?,
        _ => digits(text, 10)?,
    };
    let Some((suffix, tail)) = rest.split_first() else {
        return Ok((value, rest));
    };
    let shift = match suffix.to_ascii_uppercase() {
        b'K' => 10,
        b'M' => 20,
        b'G' => 30,
        b'T' => 40,
        b'P' => 50,
        b'E' => 60,
        _ => return Ok((value, rest)),
    };

    match value.checked_mul(1 << shift) {
        Some(value) => Ok((value, tail)),
        None => Err(ScratchError::TooLarge),
    }
}

/// Reads the number of `N%`, without the percent sign: decimal, a plus sign may lead.
fn percent(text: &[u8]) -> Result<u32, ScratchError> {
    let (value, rest) = digits(text.strip_prefix(b"+").unwrap_or(text), 10)?;

    if !rest.is_empty() {
        return Err(ScratchError::Trailing);
    }
    match u32::try_from(value) {
        Ok(0) => Err(ScratchError::Zero),
        Ok(percent) => Ok(percent),
        Err(_) => Err(ScratchError::TooLarge),
    }
}

impl ScratchSpec {
    /// Reads the value of `kho_scratch=`, without NUL.
    pub fn parse(text: &[u8]) -> Result<Self, ScratchError> {
        if let Some(number) = text.strip_suffix(b"%") {
            return Ok(Self::Scale {
                percent: percent(number)?,
            });
        }
        let comma = |text| <[u8]>::strip_prefix(text, b",").ok_or(ScratchError::NoComma);
        let (lowmem, rest) = size(text)?;
        let (global, rest) = size(comma(rest)?)?;
        let (per_node, rest) = size(comma(rest)?)?;

        if !rest.is_empty() {
            return Err(ScratchError::Trailing);
        }
        let total = lowmem
            .checked_add(global)
            .and_then(|sum| sum.checked_add(per_node))
            .ok_or(ScratchError::TooLarge)?;

        if total == 0 {
            return Err(ScratchError::Zero);
        }
        Ok(Self::Sizes {
            lowmem,
            global,
            per_node,
        })
    }

    /// Size in bytes of the region in low memory: a multiple of `align`.
    ///
    /// `low` is what the kernel itself allocated in low memory, in bytes. [`None`] where 64
    /// bits do not hold the result, or `align` is zero.
    pub fn lowmem(&self, low: u64, align: u64) -> Option<u64> {
        match *self {
            Self::Scale { percent } => scaled(low, percent)?,
            Self::Sizes { lowmem, .. } => lowmem,
        }
        .checked_next_multiple_of(align)
    }

    /// Size in bytes of the global region: a multiple of `align`.
    ///
    /// `low` and `all` are what the kernel itself allocated in low memory and in all memory.
    /// [`None`] as in [`ScratchSpec::lowmem`].
    pub fn global(&self, low: u64, all: u64, align: u64) -> Option<u64> {
        match *self {
            Self::Scale { percent } => scaled(all, percent)?.saturating_sub(scaled(low, percent)?),
            Self::Sizes { global, .. } => global,
        }
        .checked_next_multiple_of(align)
    }

    /// Size in bytes of the region on a node: a multiple of `align`.
    ///
    /// `node` is what the kernel itself allocated there. [`None`] as in
    /// [`ScratchSpec::lowmem`].
    pub fn per_node(&self, node: u64, align: u64) -> Option<u64> {
        match *self {
            Self::Scale { percent } => scaled(node, percent)?,
            Self::Sizes { per_node, .. } => per_node,
        }
        .checked_next_multiple_of(align)
    }
}

/// `percent` per cent of `bytes`, rounded down; [`None`] where 64 bits do not hold it.
fn scaled(bytes: u64, percent: u32) -> Option<u64> {
    let percent = u64::from(percent);
    // In two parts, so that only a result that is too large overflows. The second one is at most
    // 99 times a number of 32 bits.
    let hundreds = (bytes / 100).checked_mul(percent)?;

    hundreds.checked_add(bytes % 100 * percent / 100)
}

#[cfg(test)]
#[path = "tests/scratch.rs"]
mod tests;
