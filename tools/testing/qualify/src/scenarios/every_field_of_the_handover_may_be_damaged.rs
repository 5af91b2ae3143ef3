// SPDX-License-Identifier: GPL-2.0

//! Each word of each structure that is handed over, one at a time.

use anyhow::Context;
use anyhow::Result;
use lu_vm::Debugger;
use lu_vm::Handover;
use lu_vm::PAGE;
use rand::Rng;
use rand::SeedableRng;
use rand::seq::IteratorRandom;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::Need;
use crate::Run;
use crate::Scenario;
use crate::Side;
use crate::Signs;
use crate::damage::DATA_INTACT;
use crate::damage::OUTSIDE_MEMORY;
use crate::damage::Tries;
use crate::damage::Word;
use crate::damage::is_said;
use crate::damage::update_with;
use crate::damage::update_with_word;
use crate::facts::Fact;

/// How many live updates are damaged: more than there are words, in a quarter of an hour of an idle machine.
const ROUNDS: usize = 180;

/// How many values a word is given, if there is time.
const VALUES: usize = 2;

/// How many words of a page are damaged that are zero.
const ZERO_WORDS: usize = 2;

inventory::submit! {
    Scenario::update(
        "every_field_of_the_handover_may_be_damaged",
        "Each field of each structure that is handed over may be overwritten: the next kernel boots, says what it refuses, and works",
        run,
    )
    .covers(&["kho-9", "kho-11", "luo-6", "luo-8", "memfd-3"])
    .needs(&[Need::before(Fact::Symbols)])
    .peer_fails(Side::After, "it panics on purpose, hangs or falls over, in more than half of cases", Signs::Any)
    .long()
}

fn run(run: &Run<'_>) -> Result<()> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(run.seed());
    let mut targets = Vec::new();
    update_with(run, "-undamaged", "", |handover, debugger| {
        targets = choose(words(handover, debugger, &mut random)?, &mut random);
        Ok(())
    })?;
    let rounds = run.times(ROUNDS)?.min(targets.len());
    let (mut tries, mut intact) = (Tries::new(run), 0);
    for (round, target) in targets.iter().take(rounds).enumerate() {
        if round % 10 == 0 {
            run.progress(round, rounds, "updates");
        }
        let (what, updated) = update_with_word(run, &format!("-{round}"), |handover, debugger| {
            target.overwrite(handover, debugger)
        });
        let seen = tries.add(format!("round {round}, {what}"), updated);
        intact += u32::from(seen.is_some_and(|seen| is_said(&seen, DATA_INTACT)));
    }
    run.note(format!(
        "{rounds} of {} values were tried, {VALUES} of each word; {intact} times the data is intact",
        targets.len()
    ));
    tries.conclude()
}

/// A word, by the name of its structure and its offset in bytes.
type Place = (String, u64);

/// All words that the next kernel reads. Of a page, which is a table with little in it, those that are not
/// zero and some others.
fn words<R: Rng>(
    handover: &Handover,
    debugger: &mut Debugger,
    random: &mut R,
) -> Result<Vec<Place>> {
    let mut all = Vec::new();
    for structure in handover.structures(debugger)? {
        let offsets = (0..).map(|number| number * Word::LENGTH);
        let words = offsets.zip(structure.words(debugger)?);
        let (zero, mut chosen): (Vec<_>, Vec<_>) =
            words.partition(|(_, word)| structure.length == PAGE && *word == 0);
        chosen.extend(zero.into_iter().choose_multiple(random, ZERO_WORDS));
        all.extend(chosen.into_iter().map(|(at, _)| (structure.name.clone(), at)));
    }
    Ok(all)
}

/// A word, and what it is to become.
struct Target {
    place: Place,
    value: Value,
    /// Where other choices for it come from.
    seed: u64,
}

/// All words with one of their values, in any order, then all with the next one: so that each has its turn
/// even if there is no time for all of it.
fn choose<R: Rng>(mut words: Vec<Place>, random: &mut R) -> Vec<Target> {
    words.shuffle(random);
    let first = random.random_range(0..Value::ALL.len());
    let turns = (0..VALUES).flat_map(|turn| {
        let words = words.iter().enumerate();
        words.map(move |(number, place)| (first + number + turn, place))
    });
    turns
        .map(|(number, place)| Target {
            place: place.clone(),
            value: Value::ALL[number % Value::ALL.len()],
            seed: random.random(),
        })
        .collect()
}

impl Target {
    fn overwrite(&self, handover: &Handover, debugger: &mut Debugger) -> Result<Word> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let structures = handover.structures(debugger)?;
        let (name, offset) = &self.place;
        let structure = structures
            .iter()
            .find(|structure| structure.name == *name)
            .with_context(|| format!("there is no {name} any more"))?;
        let other = structures[random.random_range(0..structures.len())].address;
        Word::overwrite(handover, debugger, structure, *offset, |old| {
            self.value.instead_of(old, other)
        })
    }
}

/// What a word may become.
#[derive(Clone, Copy)]
enum Value {
    Zero,
    AllOnes,
    OutsideMemory,
    OtherStructure,
    LowestBitFlipped,
}

impl Value {
    const ALL: [Self; 5] = [
        Self::Zero,
        Self::OutsideMemory,
        Self::LowestBitFlipped,
        Self::AllOnes,
        Self::OtherStructure,
    ];

    /// What `old` becomes; another structure is at `other`. A word that is so already has its bits flipped.
    fn instead_of(self, old: u64, other: u64) -> u64 {
        let new = match self {
            Self::Zero => 0,
            Self::AllOnes => u64::MAX,
            Self::OutsideMemory => OUTSIDE_MEMORY,
            Self::OtherStructure => other,
            Self::LowestBitFlipped => old ^ 1,
        };
        if new == old { !old } else { new }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_its_turn_before_one_has_its_second() {
        let words: Vec<Place> = (0..7).map(|at| ("x".to_owned(), at)).collect();
        let targets = choose(words.clone(), &mut Xoshiro256PlusPlus::seed_from_u64(1));
        assert_eq!(targets.len(), VALUES * words.len());
        for turn in targets.chunks(words.len()) {
            let mut places: Vec<Place> = turn.iter().map(|target| target.place.clone()).collect();
            places.sort();
            assert_eq!(places, words);
        }
    }

    #[test]
    fn every_value_is_another_one() {
        for old in [0, 1, u64::MAX, OUTSIDE_MEMORY, PAGE] {
            for value in Value::ALL {
                assert_ne!(value.instead_of(old, PAGE), old);
            }
        }
    }
}
