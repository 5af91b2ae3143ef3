// SPDX-License-Identifier: GPL-2.0

//! Figures for people.

use std::fmt::Write;

use crate::cases;
use crate::cases::Time;
use crate::cli::Cli;
use crate::cli::Variant;
use crate::phase::Phase;
use crate::results::Results;

/// A table for each live update that was measured by instructions.
pub(crate) fn memory(cli: &Cli, results: &Results) -> String {
    let mut text = String::new();
    let variants = cli.variants();
    for work in cases::works(cli) {
        let _ = write!(text, "\n{work}: instructions\n{:26}", "");
        for variant in &variants {
            let _ = write!(
                text,
                "{:>16}{:>14}{:>11}",
                variant.name(),
                "above base",
                "a folio"
            );
        }
        text.push_str("     ratio\n");
        for phase in Phase::ALL {
            let _ = write!(text, "  {:24}", phase.name());
            for &variant in &variants {
                let total = results.total(work, variant, Time::Instructions, phase);
                let net = results.net(work, variant, Time::Instructions, phase);
                let _ = write!(text, "{:>16}", show(total));
                let above = net.filter(|_| phase.has_base());
                let _ = write!(text, "{:>14}", show(above));
                let each = net.map(|net| each(net, work.all_pages()));
                let _ = write!(text, "{:>11}", each.unwrap_or_else(|| "-".into()));
            }
            let net = |variant| results.net(work, variant, Time::Instructions, phase);
            let ratio = ratio(net(Variant::Rust), net(Variant::Mainline));
            let ratio = ratio.map(|ratio| format!("{ratio:.4}"));
            let _ = writeln!(text, "{:>10}", ratio.unwrap_or_default());
        }
        let _ = write!(text, "  {:24}", "pages of metadata");
        for &variant in &variants {
            let pages = results.metadata_pages(work, variant, Time::Instructions);
            let _ = write!(text, "{:>16}{:>25}", show(pages), "");
        }
        text.push('\n');
    }
    text
}

fn show<T: ToString>(figure: Option<T>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| figure.to_string())
}

/// Instructions for each of so many.
#[expect(clippy::cast_precision_loss, reason = "for people, to a tenth")]
fn each(net: i64, count: u64) -> String {
    format!("{:.1}", net as f64 / count.max(1) as f64)
}

/// Ours divided by mainline's.
#[expect(clippy::cast_precision_loss, reason = "nobody reads the 16th digit")]
fn ratio(ours: Option<i64>, theirs: Option<i64>) -> Option<f64> {
    let (ours, theirs) = (ours? as f64, theirs? as f64);
    (theirs > 0.0).then(|| ours / theirs)
}
