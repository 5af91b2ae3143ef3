// SPDX-License-Identifier: GPL-2.0

use super::*;

fn run(work: Work, variant: Variant) -> Run {
    Run::new(work, variant, Time::Instructions, Fate::Keep)
}

/// Results of one phase of one live update, and of the same with nothing preserved.
fn results(work: Work, phase: Phase, ours: [u64; 2], theirs: [u64; 2]) -> Results {
    let mut results = Results::default();
    for (variant, [base, total]) in [(Variant::Rust, ours), (Variant::Mainline, theirs)] {
        results.add(run(work, variant).base(), phase, base);
        results.add(run(work, variant), phase, total);
    }
    results
}

fn measure(what: &str, results: &Results) -> (Option<f64>, &'static str) {
    let target = TARGETS.iter().find(|target| target.what == what).unwrap();
    let measured = target.measure(results, Variant::Rust);
    (measured, target.verdict(measured))
}

#[test]
fn what_was_not_measured_is_neither_met_nor_missed() {
    for target in &TARGETS {
        assert_eq!(
            target.measure(&Results::default(), Variant::Rust),
            None,
            "{}",
            target.what
        );
        assert_eq!(target.verdict(None), "not measured");
    }
}

#[test]
fn ingest_counts_what_is_above_nothing_preserved() {
    let what = "ingest, contiguous, 64 Ki folios";
    let work = Work::memory(Layout::Contiguous, 64 * KI);
    let at_limit = results(work, Phase::Ingest, [1_000, 1_050], [500, 1_500]);
    assert_eq!(measure(what, &at_limit), (Some(0.05), "PASS"));
    let above = results(work, Phase::Ingest, [1_000, 1_051], [500, 1_500]);
    assert_eq!(measure(what, &above).1, "MISS");
}

#[test]
fn the_blackout_is_compared_with_our_own() {
    let what = "blackout, 1 GiB scattered preserved, by that with nothing preserved";
    let work = Work::memory(Layout::Scattered, 256 * KI);
    let results = results(work, Phase::Blackout, [1_000, 1_060], [1, 1]);
    assert_eq!(measure(what, &results), (Some(1.06), "MISS"));
}

#[test]
fn the_worst_size_counts() {
    let small = Work::memory(Layout::Scattered, 4 * KI);
    let large = Work::memory(Layout::Scattered, 16 * KI);
    let mut results = results(small, Phase::Preserve, [0, 70], [0, 100]);
    assert_eq!(
        measure("preserve, scattered", &results),
        (Some(0.7), "PASS")
    );
    results.add(run(large, Variant::Rust), Phase::Preserve, 80);
    results.add(run(large, Variant::Mainline), Phase::Preserve, 100);
    assert_eq!(
        measure("preserve, scattered", &results),
        (Some(0.8), "MISS")
    );
    assert_eq!(measure("preserve, contiguous", &results).1, "not measured");
}

#[test]
fn a_call_that_takes_an_instruction_more_is_an_excess() {
    let work = Work::memory(Layout::Thp, 4 * KI);
    let equal = results(work, Phase::Finish, [0, 100], [0, 100]);
    assert_eq!(all_excesses(&equal), []);
    let more = results(work, Phase::Finish, [0, 101], [0, 100]);
    let found = all_excesses(&more);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].work, found[0].ours), (work, 101));
}

#[test]
fn what_the_clock_cannot_tell_is_no_excess_but_more_is() {
    let work = Work::memory(Layout::Thp, 4 * KI);
    let base = 10_000_000;
    let with = |phase, ours| all_excesses(&results(work, phase, [base, ours], [base, base]));
    // A difference of differences, with two moments by the log in each.
    assert_eq!(with(Phase::Jump, base + 4_200), []);
    assert_eq!(with(Phase::Jump, base + 4_201).len(), 1);
    assert_eq!(with(Phase::Freeze, base + 2_101).len(), 1);
    // Both ends are by the counter.
    assert_eq!(with(Phase::Blackout, base + 1).len(), 1);
    // The boot by itself counts, too, and once.
    let slower = results(work, Phase::Jump, [base * 2, base * 2], [base, base]);
    let found = all_excesses(&slower);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].work, found[0].ratio), (Work::NOTHING, 2.0));
}

#[test]
fn each_format_is_judged() {
    let work = Work::memory(Layout::Contiguous, 4 * KI);
    let mut results = results(work, Phase::Preserve, [0, 40], [0, 100]);
    results.add(run(work, Variant::RustExtents), Phase::Preserve, 101);
    let target = TARGETS
        .iter()
        .find(|target| target.what == "preserve, contiguous");
    let judge = |ours| target.unwrap().measure(&results, ours);
    assert_eq!(judge(Variant::Rust), Some(0.4));
    assert_eq!(judge(Variant::RustExtents), Some(1.01));
    let found = all_excesses(&results);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].ours_is, Variant::RustExtents);
}

#[test]
fn metadata_is_asked_of_the_new_format_only() {
    let about = |ours| {
        TARGETS
            .iter()
            .filter(move |target| target.judges(ours))
            .count()
    };
    assert_eq!(about(Variant::RustExtents), TARGETS.len());
    assert_eq!(about(Variant::Rust), TARGETS.len() - 1);
}

#[test]
fn growth_is_of_the_cost_of_one() {
    let what = "n sessions, n files in a session: cost of one among the most, by that among 100";
    let mut results = Results::default();
    let mut set = |work: Work, ticks| {
        results.add(run(work, Variant::Rust), Phase::Preserve, ticks);
    };
    set(Work::sessions(100), 100_000);
    set(Work::sessions(1_000), 1_000_000);
    set(Work::files(100), 100_000);
    set(Work::files(10_000), 12_000_000);
    assert_eq!(measure(what, &results), (Some(1.2), "PASS"));
}
