// SPDX-License-Identifier: MIT OR Apache-2.0

//! Compares the Rust mirrors with the C header, as the C compiler understands it.

#![expect(clippy::unwrap_used, reason = "a test says by panic that it failed")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::mem::align_of;
use std::mem::offset_of;
use std::mem::size_of;
use std::path::Path;
use std::process::Command;

use liveupdate::abi;

/// A C expression, and what Rust says its value is.
type Facts = BTreeMap<String, u64>;

macro_rules! layout {
    ($facts:ident, $c:literal, $rust:ty, $($field:ident),+) => {
        let c = $c;
        $facts.insert(format!("sizeof(struct {c})"), size_of::<$rust>() as u64);
        $facts.insert(format!("_Alignof(struct {c})"), align_of::<$rust>() as u64);
        $({
            let field = stringify!($field);
            let offset = offset_of!($rust, $field) as u64;
            $facts.insert(format!("offsetof(struct {c}, {field})"), offset);
        })+
        // A field that only C has would make the structure larger, or hide in a hole.
        let sum: usize = [$(size_of_val(&<$rust as zerocopy::FromZeros>::new_zeroed().$field)),+]
            .iter()
            .sum();
        assert_eq!(sum, size_of::<$rust>(), "{c} has a hole");
    };
}

fn rust_facts() -> Facts {
    let mut facts = Facts::new();
    layout!(
        facts,
        "liveupdate_ioctl_create_session",
        abi::CreateSession,
        size,
        fd,
        name
    );
    layout!(
        facts,
        "liveupdate_ioctl_retrieve_session",
        abi::RetrieveSession,
        size,
        fd,
        name
    );
    layout!(
        facts,
        "liveupdate_session_preserve_fd",
        abi::PreserveFd,
        size,
        fd,
        token
    );
    layout!(
        facts,
        "liveupdate_session_retrieve_fd",
        abi::RetrieveFd,
        size,
        fd,
        token
    );
    layout!(
        facts,
        "liveupdate_session_finish",
        abi::Finish,
        size,
        reserved
    );
    layout!(
        facts,
        "liveupdate_session_get_name",
        abi::GetName,
        size,
        reserved,
        name
    );

    facts.insert("LIVEUPDATE_IOCTL_TYPE".into(), abi::IOCTL_TYPE.into());
    facts.insert(
        "LIVEUPDATE_SESSION_NAME_LENGTH".into(),
        abi::SESSION_NAME_LENGTH as u64,
    );
    let requests = [
        (
            "LIVEUPDATE_IOCTL_CREATE_SESSION",
            abi::device_cmd::CREATE_SESSION,
        ),
        (
            "LIVEUPDATE_IOCTL_RETRIEVE_SESSION",
            abi::device_cmd::RETRIEVE_SESSION,
        ),
        (
            "LIVEUPDATE_SESSION_PRESERVE_FD",
            abi::session_cmd::PRESERVE_FD,
        ),
        (
            "LIVEUPDATE_SESSION_RETRIEVE_FD",
            abi::session_cmd::RETRIEVE_FD,
        ),
        ("LIVEUPDATE_SESSION_FINISH", abi::session_cmd::FINISH),
        ("LIVEUPDATE_SESSION_GET_NAME", abi::session_cmd::GET_NAME),
    ];
    for (name, number) in requests {
        let opcode = rustix::ioctl::opcode::none(abi::IOCTL_TYPE, number);
        facts.insert(name.into(), u64::from(opcode));
    }
    facts
}

fn c_program(expressions: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut source = String::from(
        "#include <stddef.h>\n#include <stdio.h>\n#include <linux/liveupdate.h>\n\
         int main(void)\n{\n",
    );
    for expression in expressions {
        let expression = expression.as_ref();
        writeln!(
            source,
            "\tprintf(\"%s\\t%llu\\n\", \"{expression}\", (unsigned long long)({expression}));"
        )
        .unwrap();
    }
    source.push_str("\treturn 0;\n}\n");
    source
}

/// Compiles and runs a C program that prints what the header in `uapi` says.
fn c_facts(uapi: &Path, expressions: &Facts) -> Facts {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("facts.c");
    let program = dir.path().join("facts");
    std::fs::write(&source, c_program(expressions.keys())).unwrap();

    let host = env!("TEST_HOST_TARGET");
    let compiler = cc::Build::new()
        .cargo_metadata(false)
        .target(host)
        .host(host)
        .opt_level(0)
        .out_dir(dir.path())
        .get_compiler();
    let status = compiler
        .to_command()
        .args(["-Wall", "-Werror", "-std=gnu11", "-I"])
        .arg(uapi)
        .arg("-o")
        .args([&program, &source])
        .status()
        .expect("a C compiler");
    assert!(status.success(), "the header does not compile: {status}");

    let output = Command::new(&program).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let (expression, value) = line.split_once('\t').unwrap();
            (expression.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn rust_mirrors_the_header() {
    let uapi = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../include/uapi");
    let rust = rust_facts();
    assert_eq!(c_facts(&uapi, &rust), rust);
}

/// The header is a drop-in, so mainline's has to say the same.
#[test]
fn mainline_says_the_same() {
    let Ok(source) = std::env::var("LU_KERNEL_SOURCE") else {
        eprintln!("skipped: LU_KERNEL_SOURCE names no kernel source");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let linux = dir.path().join("linux");
    std::fs::create_dir(&linux).unwrap();
    let header = Path::new(&source).join("include/uapi/linux/liveupdate.h");
    std::fs::copy(&header, linux.join("liveupdate.h")).unwrap();
    let rust = rust_facts();
    assert_eq!(c_facts(dir.path(), &rust), rust);
}

/// The lines of a header that a compiler sees: everything but comments, and white space in one form.
fn code(header: &Path) -> String {
    let host = env!("TEST_HOST_TARGET");
    let compiler = cc::Build::new()
        .cargo_metadata(false)
        .target(host)
        .host(host)
        .opt_level(0)
        .get_compiler();
    let output = compiler
        .to_command()
        // Macros stay as they are and nothing is included: only the comments go.
        .args(["-fpreprocessed", "-dD", "-E", "-P", "-x", "c"])
        .arg(header)
        .output()
        .expect("a C compiler");
    assert!(output.status.success(), "{}", header.display());
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c == '\\')
        .filter(|word| !word.is_empty())
        .collect();
    assert!(words.len() > 5, "{} has no code", header.display());
    words.join(" ")
}

/// The kernel's C files see no difference between our headers and mainline's.
#[test]
fn kernel_headers_are_mainlines_but_for_comments() {
    let Ok(source) = std::env::var("LU_KERNEL_SOURCE") else {
        eprintln!("skipped: LU_KERNEL_SOURCE names no kernel source");
        return;
    };
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../include");
    let theirs = Path::new(&source).join("include");
    for header in [
        "uapi/linux/liveupdate.h",
        "linux/kho/abi/block.h",
        "linux/kho/abi/kexec_handover.h",
        "linux/kho/abi/kexec_metadata.h",
        "linux/kho/abi/luo.h",
        "linux/kho/abi/memblock.h",
        "linux/kho/abi/memfd.h",
    ] {
        assert_eq!(
            code(&ours.join(header)),
            code(&theirs.join(header)),
            "{header}"
        );
    }
}
