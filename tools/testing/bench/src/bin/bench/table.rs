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
use crate::verdict::Excess;
use crate::verdict::TARGETS;

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
    // What was not run at all has no columns.
    let variants: Vec<Variant> = Variant::ALL
        .into_iter()
        .filter(|&variant| measured(variant) || excused(variant))
        .collect();
    if variants.is_empty() {
        return Ok(());
    }
    let unit = if wall {
        "microseconds, two processors, median"
    } else {
        "instructions"
    };
    writeln!(text, "\n{work} ({unit})")?;
    write!(text, "{:25}", "")?;
    for &variant in &variants {
        let name = variant.name();
        write!(text, "{name:>15}{:>14}{:>11}", "above nothing", "each")?;
        if variant != Variant::Mainline {
            write!(text, "{:>10}", "ratio")?;
        }
    }
    writeln!(text)?;
    for phase in Phase::ALL {
        row(text, results, &variants, case, phase)?;
    }
    if !wall {
        metadata(text, results, &variants, work)?;
        let jumps = |&variant: &Variant| {
            let jumps = results.jumps(case(variant)).filter(|&jumps| jumps > 0)?;
            Some(format!("{} {jumps}", variant.name()))
        };
        let jumps: Vec<String> = variants.iter().filter_map(jumps).collect();
        if !jumps.is_empty() {
            let jumps = jumps.join(", ");
            writeln!(
                text,
                "  contiguous frames go on in another block than the next: {jumps} times"
            )?;
        }
        for variant in variants {
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
    variants: &[Variant],
    case: impl Fn(Variant) -> Case,
    phase: Phase,
) -> std::fmt::Result {
    let theirs = results.net(case(Variant::Mainline), phase);
    write!(text, "  {:23}", phase.name())?;
    for &variant in variants {
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
        by_mainline(text, variant, net, theirs)?;
    }
    writeln!(text)
}

/// The ratio of one of ours.
fn by_mainline(
    text: &mut String,
    variant: Variant,
    ours: Option<i64>,
    theirs: Option<i64>,
) -> std::fmt::Result {
    if variant == Variant::Mainline {
        return Ok(());
    }
    let both = ours.zip(theirs);
    let ratio = both.and_then(|(ours, theirs)| ratio(ours, theirs));
    write!(text, "{:>10}", show(ratio.map(digits)))
}

fn metadata(
    text: &mut String,
    results: &Results,
    variants: &[Variant],
    work: Work,
) -> std::fmt::Result {
    let bytes = |variant| results.metadata(Case::counted(work, variant));
    let theirs = bytes(Variant::Mainline);
    write!(text, "  {:23}", "metadata bytes")?;
    for &variant in variants {
        let each = bytes(variant).map(|bytes| each(bytes, work.all_pages()));
        let each = each.map(|each| format!("{each:.1}"));
        write!(
            text,
            "{:>15}{:>14}{:>11}",
            show(bytes(variant)),
            "",
            show(each)
        )?;
        by_mainline(text, variant, bytes(variant), theirs)?;
    }
    writeln!(text)
}

fn verdicts(text: &mut String, results: &Results) -> std::fmt::Result {
    writeln!(
        text,
        "\nTargets: ours divided by mainline's, instructions, unless said"
    )?;
    write!(text, "  ")?;
    for variant in Variant::OURS {
        write!(text, "{:24}", variant.format())?;
    }
    writeln!(text)?;
    for target in &TARGETS {
        write!(text, "  ")?;
        for variant in Variant::OURS {
            if !target.judges(variant) {
                write!(text, "{:24}", "-")?;
                continue;
            }
            let measured = target.measure(results, variant);
            let shown = measured.map(digits).unwrap_or_default();
            write!(text, "{:12} {shown:11}", target.verdict(measured))?;
        }
        writeln!(text, "{} (at most {})", target.what, target.limit)?;
    }
    above_mainline(text, &verdict::all_excesses(results))
}

/// For each phase that is above mainline's anywhere, how often it is, and the worst.
fn above_mainline(text: &mut String, excesses: &[Excess]) -> std::fmt::Result {
    if !excesses.is_empty() {
        writeln!(text, "\nAbove mainline (all of them are in the JSON):")?;
    }
    for phase in Phase::ALL {
        let mut found: Vec<&Excess> = excesses
            .iter()
            .filter(|excess| excess.phase == phase)
            .collect();
        found.sort_by(|one, other| one.ratio.total_cmp(&other.ratio));
        if let Some(worst) = found.last() {
            writeln!(text, "  in {:2} cases; the worst: {worst}", found.len())?;
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
