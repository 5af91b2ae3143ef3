// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ArgGroup;
use clap::Args;
use clap::Parser;
use clap::Subcommand;
use liveupdate::SessionName;
use liveupdate::Token;

use crate::index;

/// Carry files over a live update.
///
/// A live update replaces the running kernel and keeps chosen memory. Files are put into a named
/// session of the old kernel, each under a number, its token. In the new kernel the session is asked
/// for by name, and each file by token.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args, Debug)]
pub(crate) struct Common {
    /// Print JSON, one object a line, errors included.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The live-update device.
    #[arg(long, global = true, value_name = "PATH", default_value = liveupdate::DEVICE_PATH)]
    pub(crate) device: PathBuf,
    /// Where luoctl notes which sessions it holds and which it found. It must not outlive a boot.
    #[arg(long, global = true, value_name = "DIR", default_value = "/run/luoctl")]
    pub(crate) run_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a session, preserve files in it, and keep it or start the next kernel.
    ///
    /// A session lives only as long as a process has it open, so luoctl has to stay: with --hold it
    /// prints "ready" and waits for SIGTERM or SIGINT, or for the end of its standard input if that
    /// is a pipe, a socket or a terminal. With --reboot or --kexec it goes on into the next kernel.
    ///
    /// The kernel preserves memfds, so regular files are copied into memory. Their names, modes,
    /// times and SHA-256 travel in an index within the session.
    Create(Create),
    /// Show the sessions that luoctl knows of.
    ///
    /// The kernel has no list of sessions to offer. luoctl sees the ones that it holds on this
    /// machine at this time, and those in the index that a luoctl left in the previous kernel.
    /// Sessions of other programs do not show. "waiting" means that no luoctl has taken the session
    /// in this boot; another program may have.
    List,
    /// Take a session of the previous kernel and write its files out.
    ///
    /// A session can be taken once, and giving it up discards what is still in it. So luoctl does
    /// not give up when a file cannot be written: it keeps the session, says what is wrong, and
    /// tries again on Enter or SIGHUP. SIGTERM or SIGINT make it give up.
    Retrieve(Retrieve),
    /// Take a session of the previous kernel and discard everything in it.
    Finish {
        /// The session's name.
        name: SessionName,
    },
    /// Show whether live update works here, and what there is to know about it.
    ///
    /// The first open of the device in a boot makes the kernel read what its predecessor left, and
    /// this opens it.
    Status,
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("then").required(true).args(["hold", "reboot", "kexec"])))]
pub(crate) struct Create {
    /// The session's name: 1 to 63 bytes.
    pub(crate) name: SessionName,
    /// A file to preserve, and its token (decimal, or hexadecimal after 0x).
    #[arg(long = "file", value_name = "TOKEN=PATH", required = true)]
    pub(crate) files: Vec<FileArg>,
    /// Keep the session until told otherwise.
    #[arg(long)]
    pub(crate) hold: bool,
    /// Start the kernel that was loaded before, at once: no service is stopped, no disk synced.
    #[arg(long)]
    pub(crate) reboot: bool,
    /// Load this kernel and start it, at once.
    #[arg(long, value_name = "IMAGE")]
    pub(crate) kexec: Option<PathBuf>,
    /// The initial ramdisk for --kexec.
    #[arg(long, value_name = "FILE", requires = "kexec")]
    pub(crate) initrd: Option<PathBuf>,
    /// The command line for --kexec; this kernel's own if not given.
    #[arg(long, value_name = "TEXT", requires = "kexec")]
    pub(crate) cmdline: Option<String>,
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("what").required(true).args(["tokens", "all"])))]
#[command(group(ArgGroup::new("rest").args(["hold", "discard_rest"])))]
pub(crate) struct Retrieve {
    /// The session's name.
    pub(crate) name: SessionName,
    /// A file to write out, by its token.
    #[arg(
        long = "token",
        value_name = "TOKEN",
        requires = "out",
        requires = "rest"
    )]
    pub(crate) tokens: Option<Token>,
    /// Where to write it.
    #[arg(long, value_name = "FILE", requires = "tokens")]
    pub(crate) out: Option<PathBuf>,
    /// Write all files out, by the names in the session's index.
    #[arg(long, requires = "out_dir")]
    pub(crate) all: bool,
    /// Where to write them.
    #[arg(long, value_name = "DIR", requires = "all")]
    pub(crate) out_dir: Option<PathBuf>,
    /// Keep the session afterwards, as `create --hold` does, and finish it in the end.
    #[arg(long)]
    pub(crate) hold: bool,
    /// With --token: never mind the session's other files.
    #[arg(long)]
    pub(crate) discard_rest: bool,
}

/// `TOKEN=PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileArg {
    pub(crate) token: Token,
    pub(crate) path: PathBuf,
}

impl FromStr for FileArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (token, path) = text
            .split_once('=')
            .ok_or("expected TOKEN=PATH, for instance 1=/etc/hosts")?;
        let token: Token = token
            .parse()
            .map_err(|error| format!("{token:?} is not a token: {error}"))?;
        if token == index::TOKEN {
            return Err(format!("token {token} is the index's, choose another"));
        }
        if path.is_empty() {
            return Err("there is no path after the =".into());
        }
        Ok(Self {
            token,
            path: path.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    fn refused(args: &[&str]) -> ErrorKind {
        let args = ["luoctl"].iter().chain(args);
        Cli::try_parse_from(args).unwrap_err().kind()
    }

    #[test]
    fn a_session_must_not_vanish_by_oversight() {
        assert_eq!(
            refused(&["create", "vm", "--file", "1=/etc/hosts"]),
            ErrorKind::MissingRequiredArgument
        );
        assert_eq!(
            refused(&["retrieve", "vm", "--token", "1", "--out", "x"]),
            ErrorKind::MissingRequiredArgument
        );
        assert_eq!(
            refused(&["create", "vm", "--file", "1=a", "--hold", "--reboot"]),
            ErrorKind::ArgumentConflict
        );
    }

    #[test]
    fn files_are_a_token_and_a_path() {
        let good = FileArg {
            token: Token(16),
            path: "a=b".into(),
        };
        assert_eq!("0x10=a=b".parse(), Ok(good));
        for bad in ["", "1", "=a", "1=", "x=a", "-1=a", "18446744073709551615=a"] {
            assert!(bad.parse::<FileArg>().is_err(), "{bad}");
        }
    }
}
