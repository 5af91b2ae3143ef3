// SPDX-License-Identifier: GPL-2.0

//! What is preserved.

use std::fmt;

use liveupdate::SessionName;
use serde::Deserialize;
use serde::Serialize;

/// How the pages of files lie in memory and in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "host", derive(clap::ValueEnum))]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Nothing is preserved at all: what a kexec costs by itself.
    Nothing,
    /// One file in frames that follow each other, from the start of a block of 2 MiB on.
    Contiguous,
    /// The same, one frame behind: no page is in a frame that a folio of several pages could have.
    Shifted,
    /// Two files, written page by page in turns, of which one is closed before the update.
    Scattered,
    /// One file whose pages are written in random order.
    Random,
    /// One file of 2 MiB folios.
    Thp,
    /// One file of each of contiguous, scattered, random and thp, with a quarter of the pages each.
    Mixed,
}

impl Layout {
    /// Those that preserve something.
    pub const ALL: [Self; 6] = [
        Self::Contiguous,
        Self::Shifted,
        Self::Scattered,
        Self::Random,
        Self::Thp,
        Self::Mixed,
    ];

    /// The files that it consists of: each with its own layout, and a part of the pages.
    #[must_use]
    pub fn files(self, pages: u64) -> Vec<(Self, u64)> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Mixed => [Self::Contiguous, Self::Scattered, Self::Random, Self::Thp]
                .map(|layout| (layout, pages / 4))
                .to_vec(),
            layout => vec![(layout, pages)],
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nothing => "nothing",
            Self::Contiguous => "contiguous",
            Self::Shifted => "shifted",
            Self::Scattered => "scattered",
            Self::Random => "random",
            Self::Thp => "thp",
            Self::Mixed => "mixed",
        })
    }
}

/// What one live update carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Work {
    /// How the pages lie.
    pub layout: Layout,
    /// Pages of 4 KiB in all files of a set.
    pub pages: u64,
    /// Sessions, all with the same.
    pub sessions: u64,
    /// Sets of files in each of them.
    pub sets: u64,
}

impl Work {
    /// A live update that carries nothing.
    pub const NOTHING: Self = Self {
        layout: Layout::Nothing,
        pages: 0,
        sessions: 0,
        sets: 0,
    };

    /// One session with the files of a layout.
    #[must_use]
    pub fn memory(layout: Layout, pages: u64) -> Self {
        match layout {
            Layout::Nothing => Self::NOTHING,
            _ => Self {
                layout,
                pages,
                sessions: 1,
                sets: 1,
            },
        }
    }

    /// Many sessions, each with one file of one page.
    #[must_use]
    pub fn sessions(count: u64) -> Self {
        Self {
            layout: Layout::Contiguous,
            pages: 1,
            sessions: count,
            sets: 1,
        }
    }

    /// One session with many files of one page.
    #[must_use]
    pub fn files(count: u64) -> Self {
        Self {
            layout: Layout::Contiguous,
            pages: 1,
            sessions: 1,
            sets: count,
        }
    }

    /// Files in each session.
    #[must_use]
    pub fn files_each(self) -> u64 {
        self.sets * self.layout.files(self.pages).len() as u64
    }

    /// All pages that are preserved.
    #[must_use]
    pub fn all_pages(self) -> u64 {
        self.sessions * self.sets * self.pages
    }

    /// The names of the sessions.
    ///
    /// # Errors
    ///
    /// Never, unless there are more than names have room for.
    pub fn session_names(self) -> liveupdate::Result<Vec<SessionName>> {
        (0..self.sessions)
            .map(|number| Ok(SessionName::new(format!("bench-{number:04}"))?))
            .collect()
    }
}

/// What becomes of what was preserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// All files are retrieved, and their content is compared.
    Keep,
    /// Once it is unpreserved in the first kernel, by closing its session, and preserved again; and in
    /// the second, sessions are finished with no file retrieved.
    Discard,
}

/// Which kernel a guest program is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The first: preserve, and go on to the next kernel.
    Before,
    /// The second: retrieve.
    After,
}

/// What the guest is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In which kernel.
    pub role: Role,
    /// With what.
    pub work: Work,
    /// To which end.
    pub fate: Fate,
    /// What content, and the order of pages where it is random, are drawn from.
    pub seed: u64,
    /// How fast the counter is.
    pub khz: u64,
}

impl Plan {
    /// The plan as text of always the same length, so that unpacking it costs always the same.
    ///
    /// # Errors
    ///
    /// It cannot be written as JSON.
    pub fn to_text(self) -> serde_json::Result<String> {
        Ok(format!("{:<512}", serde_json::to_string(&self)?))
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.layout, self.pages, self.sessions, self.sets) {
            (Layout::Nothing, ..) => f.write_str("nothing preserved"),
            (_, 1, 1, 1) => f.write_str("a session with a file"),
            (_, 1, 1, files) => write!(f, "a session with {files} files"),
            (_, 1, sessions, _) => write!(f, "{sessions} sessions with a file each"),
            (layout, pages, ..) => write!(f, "{layout}, {pages} folios"),
        }
    }
}
