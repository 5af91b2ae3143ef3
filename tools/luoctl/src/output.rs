// SPDX-License-Identifier: GPL-2.0

//! Showing results: text for people, JSON for programs.

use std::io;
use std::io::Write;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

/// A result that people can read.
pub(crate) trait Show: Serialize {
    /// Writes it as text.
    fn show(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// Prints a result and makes sure that it is out.
pub(crate) fn print(value: &impl Show, as_json: bool) -> Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        serde_json::to_writer(&mut out, value)?;
        writeln!(out)?;
    } else {
        value.show(&mut out)?;
    }
    out.flush()?;
    Ok(())
}

/// Reports a failure on standard error.
pub(crate) fn error(error: &anyhow::Error, as_json: bool) {
    let cause = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<liveupdate::Error>());
    let help = cause.map(liveupdate::Error::help);
    if as_json {
        let errno = cause.and_then(liveupdate::Error::errno);
        let errno = errno.map(rustix::io::Errno::raw_os_error);
        let value = json!({ "error": format!("{error:#}"), "help": help, "errno": errno });
        eprintln!("{value}");
        return;
    }
    eprintln!("luoctl: {error:#}");
    if let Some(help) = help {
        eprintln!("  help: {help}");
    }
}

/// A number of bytes with its unit.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (size, unit) in UNITS {
        if count >= size {
            let tenths = (u128::from(count) * 10 + u128::from(size) / 2) / u128::from(size);
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
    }
    format!("{count} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (256 << 20, "256.0 MiB"),
            (u64::MAX, "17179869184.0 GiB"),
        ];
        for (count, text) in table {
            assert_eq!(bytes(count), text);
        }
    }
}
