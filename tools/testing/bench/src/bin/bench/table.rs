// SPDX-License-Identifier: GPL-2.0

//! Figures for people.

use std::fmt::Write;

use lu_bench::work::Work;

use crate::cli::Variant;
use crate::phase::Phase;
use crate::results::Case;
use crate::results::Results;
use crate::results::each;
use crate::results::ratio;
use crate::verdict;
use crate::verdict::TARGETS;

/// The order of columns.
const VARIANTS: [Variant; 2] = [Variant::Rust, Variant::Mainline];

/// Everything: a table for each live update, then the verdicts.
pub(crate) fn report(results: &Results) -> String {
    let mut text = String::new();
    for work in results.works() {
        for wall in [false, true] {
            // Writing to a string cannot fail.
            let _ = table(&mut text, results, work, wall);
        }
    }
    let _ = verdicts(&mut text, results);
    text
}

fn table(text: &mut String, results: &Results, work: Work, wall: bool) -> std::fmt::Result {
    let case = |variant| Case {
        work,
        variant,
        wall,
    };
    let measured = |variant| results.total(case(variant), Phase::Preserve).is_some();
    let excused = |variant| !wall && results.excuse(work, variant).is_some();
    if !VARIANTS
        .iter()
        .any(|&variant| measured(variant) || excused(variant))
    {
        return Ok(());
    }
    let unit = if wall {
        "microseconds, two processors, median"
    } else {
        "instructions"
    };
    writeln!(text, "\n{work} ({unit})")?;
    write!(text, "{:25}", "")?;
    for variant in VARIANTS {
        write!(
            text,
            "{:>15}{:>14}{:>11}",
            variant.name(),
            "above nothing",
            "each"
        )?;
    }
    writeln!(text, "{:>10}", "ratio")?;
    for phase in Phase::ALL {
        row(text, results, case, phase)?;
    }
    if !wall {
        metadata(text, results, work)?;
        for variant in VARIANTS {
            if let Some(excuse) = results.excuse(work, variant) {
                writeln!(text, "  {}: {excuse}", variant.name())?;
            }
        }
    }
    Ok(())
}

/// A phase: in all, above the same with nothing preserved, and for each page or file.
fn row(
    text: &mut String,
    results: &Results,
    case: impl Fn(Variant) -> Case,
    phase: Phase,
) -> std::fmt::Result {
    let mut nets = Vec::new();
    write!(text, "  {:23}", phase.name())?;
    for variant in VARIANTS {
        let Case { work, wall, .. } = case(variant);
        // Nanoseconds would pretend that the wall clock can be relied on.
        let scale = if wall { 1_000 } else { 1 };
        let total = results
            .total(case(variant), phase)
            .map(|total| total / scale);
        let net = results.net(case(variant), phase);
        let above = net.filter(|_| phase.has_base());
        let above = above.map(|net| net / i64::try_from(scale).unwrap_or(1));
        let each = net.map(|net| each(net, work.all_pages() * scale));
        let each = each.map(|each| format!("{each:.1}"));
        write!(
            text,
            "{:>15}{:>14}{:>11}",
            show(total),
            show(above),
            show(each)
        )?;
        nets.extend(net);
    }
    let ratio = match nets[..] {
        [ours, theirs] => ratio(ours, theirs).map(digits),
        _ => None,
    };
    writeln!(text, "{:>10}", show(ratio))
}

fn metadata(text: &mut String, results: &Results, work: Work) -> std::fmt::Result {
    let bytes = |variant| results.metadata(Case::counted(work, variant));
    write!(text, "  {:23}", "metadata bytes")?;
    for variant in VARIANTS {
        let each = bytes(variant).map(|bytes| each(bytes, work.all_pages()));
        let each = each.map(|each| format!("{each:.1}"));
        write!(
            text,
            "{:>15}{:>14}{:>11}",
            show(bytes(variant)),
            "",
            show(each)
        )?;
    }
    let both = bytes(Variant::Rust).zip(bytes(Variant::Mainline));
    let ratio = both.and_then(|(ours, theirs)| ratio(ours, theirs));
    writeln!(text, "{:>10}", show(ratio.map(digits)))
}

fn verdicts(text: &mut String, results: &Results) -> std::fmt::Result {
    writeln!(
        text,
        "\nTargets: ours divided by mainline's, instructions, unless said"
    )?;
    for target in &TARGETS {
        let measured = target.measure(results);
        let shown = show(measured.map(digits));
        let verdict = target.verdict(measured);
        let (what, limit) = (target.what, target.limit);
        writeln!(text, "  {verdict:13} {what}: {shown} (at most {limit})")?;
    }
    let excesses = verdict::excesses(results);
    if !excesses.is_empty() {
        writeln!(text, "\nAbove mainline:")?;
        for excess in excesses {
            writeln!(text, "  {excess}")?;
        }
    }
    Ok(())
}

/// A ratio, to the digits that matter where it is small.
fn digits(ratio: f64) -> String {
    match ratio {
        ..0.01 => format!("{ratio:.6}"),
        _ => format!("{ratio:.4}"),
    }
}

fn show<T: ToString>(figure: Option<T>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| figure.to_string())
}
