// SPDX-License-Identifier: GPL-2.0

//! Profiles for people: all that was measured side by side.

use std::collections::BTreeMap;
use std::fmt::Write;

use lu_bench::work::Work;

use crate::cli::Variant;
use crate::phase::Phase;
use crate::results::Case;
use crate::results::Results;

/// Of each phase the functions that take most, at most `top` of them.
pub(crate) fn report(results: &Results, top: usize) -> String {
    let mut text = String::new();
    for work in results.works() {
        for phase in Phase::ALL {
            // Writing to a string cannot fail.
            let _ = table(&mut text, results, (work, phase), top);
        }
    }
    text
}

fn table(
    text: &mut String,
    results: &Results,
    (work, phase): (Work, Phase),
    top: usize,
) -> std::fmt::Result {
    let profiles: Vec<(Variant, BTreeMap<&str, i64>)> = Variant::ALL
        .into_iter()
        .filter_map(|variant| {
            let profile = results.profile(Case::counted(work, variant), phase)?;
            Some((variant, profile))
        })
        .collect();
    if profiles.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{work}: {}, instructions by function", phase.name())?;
    for (variant, _) in &profiles {
        write!(text, "{:>15}", variant.name())?;
    }
    writeln!(text)?;
    for (variant, _) in &profiles {
        let case = Case::counted(work, *variant);
        // As the profile itself: above nothing preserved, where that was measured.
        let net = results.net(case, phase);
        let all = || {
            results
                .total(case, phase)
                .and_then(|all| i64::try_from(all).ok())
        };
        let measured = net.or_else(all);
        write!(text, "{:>15}", measured.unwrap_or_default())?;
    }
    writeln!(text, "  measured")?;
    row(
        text,
        profiles.iter().map(|(_, profile)| profile.values().sum()),
        "counted",
    )?;
    let mut most: BTreeMap<&str, i64> = BTreeMap::new();
    for (&name, &count) in profiles.iter().flat_map(|(_, profile)| profile) {
        let most = most.entry(name).or_default();
        *most = count.abs().max(*most);
    }
    let mut names: Vec<(&str, i64)> = most.into_iter().filter(|(_, most)| *most > 0).collect();
    names.sort_by_key(|(name, most)| (-most, *name));
    let (shown, rest) = names.split_at(top.min(names.len()));
    for (name, _) in shown {
        let count = |profile: &BTreeMap<&str, i64>| profile.get(name).copied().unwrap_or_default();
        row(
            text,
            profiles.iter().map(|(_, profile)| count(profile)),
            name,
        )?;
    }
    let left = |profile: &BTreeMap<&str, i64>| {
        let counts = rest.iter().filter_map(|(name, _)| profile.get(name));
        counts.sum()
    };
    let title = format!("[{} others]", rest.len());
    row(
        text,
        profiles.iter().map(|(_, profile)| left(profile)),
        &title,
    )
}

fn row(text: &mut String, counts: impl Iterator<Item = i64>, name: &str) -> std::fmt::Result {
    for count in counts {
        write!(text, "{count:>15}")?;
    }
    writeln!(text, "  {name}")
}
