// SPDX-License-Identifier: GPL-2.0

//! Profiles for people: all that was measured side by side.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::cases::Run;
use crate::cases::Time;
use crate::cli::Variant;
use crate::phase::Phase;
use crate::results::Case;
use crate::results::Results;

/// What a phase took of one that was run, and by function.
type Column<'a> = (Variant, i64, BTreeMap<&'a str, i64>);

/// Of each phase the functions that take most, at most `top` of them: of boots that preserve nothing, then of what
/// is above them.
pub(crate) fn report(results: &Results, top: usize) -> String {
    let mut text = String::new();
    // Each size of memory once, whichever kernels were measured.
    let counted = results
        .bases()
        .into_iter()
        .filter(|run| run.time == Time::Instructions);
    let by_memory: BTreeMap<_, _> = counted.map(|run| (run.memory_mib, run)).collect();
    for run in by_memory.into_values() {
        for phase in Phase::ALL.into_iter().filter(|phase| phase.has_base()) {
            let column = |variant| {
                let run = Run { variant, ..run };
                let measured = results.phase(&run, phase)?;
                Some((
                    variant,
                    i64::try_from(measured).ok()?,
                    results.base_profile(&run, phase)?,
                ))
            };
            let title = format!(
                "nothing preserved, {} MiB: {}",
                run.memory_mib,
                phase.name()
            );
            // Writing to a string cannot fail.
            let _ = table(&mut text, &title, &columns(column), top);
        }
    }
    for work in results.works() {
        for phase in Phase::ALL {
            let column = |variant| {
                let case = Case::counted(work, variant);
                let all = || i64::try_from(results.total(case, phase)?).ok();
                // As the profile itself: above nothing preserved, where that was measured.
                let measured = results.net(case, phase).or_else(all)?;
                Some((variant, measured, results.profile(case, phase)?))
            };
            let _ = table(
                &mut text,
                &format!("{work}: {}", phase.name()),
                &columns(column),
                top,
            );
        }
    }
    text
}

fn columns<'a>(column: impl FnMut(Variant) -> Option<Column<'a>>) -> Vec<Column<'a>> {
    Variant::ALL.into_iter().filter_map(column).collect()
}

fn table(text: &mut String, title: &str, columns: &[Column<'_>], top: usize) -> std::fmt::Result {
    if columns.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{title}, instructions by function")?;
    for (variant, ..) in columns {
        write!(text, "{:>15}", variant.name())?;
    }
    writeln!(text)?;
    row(
        text,
        columns.iter().map(|(_, measured, _)| *measured),
        "measured",
    )?;
    let profiles = || columns.iter().map(|(.., profile)| profile);
    row(
        text,
        profiles().map(|profile| profile.values().sum()),
        "counted",
    )?;
    let mut most: BTreeMap<&str, i64> = BTreeMap::new();
    for (&name, &count) in profiles().flatten() {
        let most = most.entry(name).or_default();
        *most = count.abs().max(*most);
    }
    let mut names: Vec<(&str, i64)> = most.into_iter().filter(|(_, most)| *most > 0).collect();
    names.sort_by_key(|(name, most)| (-most, *name));
    let (shown, rest) = names.split_at(top.min(names.len()));
    for (name, _) in shown {
        let count = |profile: &BTreeMap<&str, i64>| profile.get(name).copied().unwrap_or_default();
        row(text, profiles().map(count), name)?;
    }
    let left = |profile: &BTreeMap<&str, i64>| {
        let counts = rest.iter().filter_map(|(name, _)| profile.get(name));
        counts.sum()
    };
    let title = format!("[{} others]", rest.len());
    row(text, profiles().map(left), &title)
}

fn row(text: &mut String, counts: impl Iterator<Item = i64>, name: &str) -> std::fmt::Result {
    for count in counts {
        write!(text, "{count:>15}")?;
    }
    writeln!(text, "  {name}")
}
