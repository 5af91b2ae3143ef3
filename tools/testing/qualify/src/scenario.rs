// SPDX-License-Identifier: GPL-2.0

//! What a scenario is, and which there are.

use anyhow::Result;
use anyhow::ensure;
use lu_vm::GuestFailure;
use lu_vm::Ktap;

use crate::facts::Fact;
use crate::facts::Facts;
use crate::run::Run;

/// One way to use live update, and what must come of it.
///
/// A file in `scenarios/` has one, and makes it known by `inventory::submit!`.
pub struct Scenario {
    /// What holds when it passes, as an identifier. The name of its file.
    pub name: &'static str,
    /// The same as a sentence for operators, without a full stop.
    pub about: &'static str,
    /// Which of the [`crate::failure_modes`] it shows not to be there.
    pub covers: &'static [&'static str],
    /// Whether it is a live update.
    pub shape: Shape,
    /// What the kernels must have.
    pub needs: &'static [Need],
    /// What is known of other implementations.
    pub peer: Peer,
    /// Whether `make test` has time for it.
    pub effort: Effort,
    /// Runs it. What it returns as an error is why it failed.
    pub run: fn(&Run<'_>) -> Result<()>,
}

inventory::collect!(Scenario);

/// What a scenario does with the two kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Updates from the first to the second.
    Update,
    /// Tries each kernel by itself.
    Each,
}

/// How much of a machine's time it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Some seconds.
    Quick,
    /// Longer: `make test` does it with this repository's kernel on both sides only.
    Slow,
    /// Too long for `make test`.
    Long,
}

/// One of the two kernels, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that is booted.
    Before,
    /// The one that is updated to.
    After,
    /// Both of them.
    Both,
}

impl Side {
    /// Whether something is so of one at least on this side, given whether it is so of each kernel.
    pub fn any(self, before: bool, after: bool) -> bool {
        match self {
            Self::Before => before,
            Self::After => after,
            Self::Both => before || after,
        }
    }

    /// Whether it is so of all on this side.
    pub fn all(self, before: bool, after: bool) -> bool {
        match self {
            Self::Both => before && after,
            one => one.any(before, after),
        }
    }
}

/// Something that a scenario cannot do without.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// Which kernel must have it.
    pub side: Side,
    /// What it is.
    pub fact: Fact,
}

impl Need {
    /// The kernel that is booted must have it.
    pub const fn before(fact: Fact) -> Self {
        Self {
            side: Side::Before,
            fact,
        }
    }

    /// Both must have it.
    pub const fn both(fact: Fact) -> Self {
        Self {
            side: Side::Both,
            fact,
        }
    }
}

/// What other implementations of live update make of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// They are held to it, too.
    Works,
    /// They are known to fail it as the kernel of that side: why, and by what one knows that failure.
    Fails(Side, &'static str, Signs),
}

/// By what a known failure is told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signs {
    /// These tests of the program fail and no others.
    Tests(&'static [&'static str]),
    /// What is said of the failure has this in it.
    Text(&'static str),
    /// There are none: who believes what is damaged may die of it in any way.
    Any,
}

impl Signs {
    /// Whether `why`, all that is said of a failure, is the one that is known.
    fn fit(self, why: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Text(text) => why.contains(text),
            Self::Tests(names) => {
                let ktap = Ktap::parse(why.lines());
                let mut failed = ktap.failed().peekable();
                // The program puts the name of a fixture in front.
                let known = |test: &str| names.contains(&test.rsplit('.').next().unwrap_or(test));
                failed.peek().is_some() && failed.all(known)
            }
        }
    }
}

/// A failure that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// What is known.
    pub why: &'static str,
    /// By what one knows it.
    pub signs: Signs,
    /// Whether it is only what comes after the jump that fails.
    pub after_jump: bool,
}

impl Expected {
    /// Whether that is what has happened. What a kernel is known for after the jump excuses nothing before it.
    pub fn is(&self, failure: &GuestFailure) -> bool {
        (failure.has_jumped() || !self.after_jump) && self.signs.fit(&failure.to_string())
    }
}

impl Scenario {
    /// A quick live update that needs nothing in particular.
    pub const fn update(
        name: &'static str,
        about: &'static str,
        run: fn(&Run<'_>) -> Result<()>,
    ) -> Self {
        Self {
            name,
            about,
            covers: &[],
            shape: Shape::Update,
            needs: &[],
            peer: Peer::Works,
            effort: Effort::Quick,
            run,
        }
    }

    /// The same on each kernel by itself.
    pub const fn each(
        name: &'static str,
        about: &'static str,
        run: fn(&Run<'_>) -> Result<()>,
    ) -> Self {
        let mut this = Self::update(name, about, run);
        this.shape = Shape::Each;
        this
    }

    /// Says which of the [`crate::failure_modes`] it shows not to be there.
    pub const fn covers(mut self, covers: &'static [&'static str]) -> Self {
        self.covers = covers;
        self
    }

    /// Says what the kernels must have.
    pub const fn needs(mut self, needs: &'static [Need]) -> Self {
        self.needs = needs;
        self
    }

    /// Says that other implementations are known to fail it as the kernel of that side, why, and by what one
    /// knows that failure.
    pub const fn peer_fails(mut self, side: Side, why: &'static str, signs: Signs) -> Self {
        self.peer = Peer::Fails(side, why, signs);
        self
    }

    /// Says that it takes longer.
    pub const fn slow(mut self) -> Self {
        self.effort = Effort::Slow;
        self
    }

    /// Says that it takes too long for `make test`.
    pub const fn long(mut self) -> Self {
        self.effort = Effort::Long;
        self
    }

    /// Why it is expected to fail between these kernels, if so.
    pub fn expected_failure(&self, before: &Facts, after: &Facts) -> Option<Expected> {
        let Peer::Fails(side, why, signs) = self.peer else {
            return None;
        };
        let fails = side.all(!before.is_ours(), !after.is_ours());
        fails.then_some(Expected {
            why,
            signs,
            after_jump: self.shape == Shape::Update && side != Side::Before,
        })
    }

    /// Why it cannot be run between these kernels, if so.
    pub fn not_applicable(&self, before: &Facts, after: &Facts) -> Option<String> {
        self.needs.iter().find_map(|need| {
            let lacks = |facts: &Facts| !facts.has(need.fact);
            let (first, second) = match need.side {
                Side::Before => (lacks(before), false),
                Side::After => (false, lacks(after)),
                Side::Both => (lacks(before), lacks(after)),
            };
            let what = need.fact.about();
            match (first, second) {
                (false, false) => None,
                (true, true) => Some(format!("neither kernel has {what}")),
                (true, false) => Some(format!("the kernel before does not have {what}")),
                (false, true) => Some(format!("the kernel after does not have {what}")),
            }
        })
    }
}

/// All scenarios, by name.
pub fn all() -> Vec<&'static Scenario> {
    let mut all: Vec<_> = inventory::iter::<Scenario>().collect();
    all.sort_by_key(|scenario| scenario.name);
    all
}

/// Those whose names contain one of `words`; all, if there are no words.
pub fn named(words: &[String]) -> Result<Vec<&'static Scenario>> {
    for word in words {
        ensure!(
            all().iter().any(|scenario| scenario.name.contains(word)),
            "no scenario has {word:?} in its name; --list shows their names"
        );
    }
    let wanted = |scenario: &&Scenario| {
        words.is_empty() || words.iter().any(|word| scenario.name.contains(word))
    };
    Ok(all().into_iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure_modes::FAILURE_MODES;

    #[test]
    fn a_scenario_is_called_as_its_file_is() {
        let files: Vec<String> =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/scenarios"))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
                .filter(|name| name != "mod")
                .collect();
        let names: Vec<&str> = all().iter().map(|scenario| scenario.name).collect();
        for name in &names {
            assert!(files.iter().any(|file| file == name), "{name} has no file");
        }
        for file in &files {
            let count = names.iter().filter(|&name| name == file).count();
            assert_eq!(count, 1, "{file}.rs has {count} scenarios of its name");
        }
    }

    #[test]
    fn what_a_scenario_covers_is_known() {
        for scenario in all() {
            for id in scenario.covers {
                assert!(
                    FAILURE_MODES.iter().any(|mode| mode.id == *id),
                    "{} covers {id:?}, which is no failure mode",
                    scenario.name
                );
            }
        }
    }

    #[test]
    fn words_that_fit_nothing_are_an_error() {
        assert_eq!(named(&[]).unwrap().len(), all().len());
        assert!(named(&["no such scenario".to_owned()]).is_err());
    }
}
