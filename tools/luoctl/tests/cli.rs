// SPDX-License-Identifier: GPL-2.0

//! What luoctl says where there is no live update. What it does where there is, the VM tests show.

#![expect(clippy::unwrap_used, reason = "a test says by panic that it failed")]

use std::path::Path;
use std::process::Command;
use std::process::Output;

const NO_DEVICE: &str = "/dev/no-such-liveupdate";

fn luoctl(run_dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_luoctl"))
        .args(["--device", NO_DEVICE, "--run-dir"])
        .arg(run_dir)
        .args(args)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn without_the_device_every_command_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let commands: &[&[&str]] = &[
        &["create", "vm", "--file", "1=/proc/self/exe", "--hold"],
        &["list"],
        &["retrieve", "vm", "--all", "--out-dir", out],
        &["finish", "vm"],
    ];
    for args in commands {
        let output = luoctl(dir.path(), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let text = stderr(&output);
        assert!(text.contains(NO_DEVICE), "{args:?}: {text}");
        assert!(text.contains("help: "), "{args:?}: {text}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    // A create that failed must not be listed as held.
    let held = std::fs::read_dir(dir.path()).unwrap();
    let held = held.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().starts_with("held-")
    });
    assert_eq!(held.count(), 0);
}

#[test]
fn status_is_an_answer_even_without_the_device() {
    let dir = tempfile::tempdir().unwrap();
    let output = luoctl(dir.path(), &["status", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["usable"], false);
    assert!(status["device"].as_str().unwrap().contains(NO_DEVICE));
    assert!(status["help"].as_str().unwrap().contains("kho=on"));
}

#[test]
fn errors_are_json_too() {
    let dir = tempfile::tempdir().unwrap();
    let output = luoctl(dir.path(), &["--json", "finish", "vm"]);
    let error: serde_json::Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert_eq!(error["errno"], 2);
    assert!(error["error"].as_str().unwrap().contains(NO_DEVICE));
}

#[test]
fn misuse_is_told_from_failure() {
    let dir = tempfile::tempdir().unwrap();
    let cases: &[(&[&str], &str)] = &[
        (
            &["create", "", "--file", "1=x", "--hold"],
            "at least one byte",
        ),
        (&["create", "vm", "--file", "x", "--hold"], "TOKEN=PATH"),
        (
            &["create", "vm", "--file", "18446744073709551615=x", "--hold"],
            "index",
        ),
        (&["retrieve", "vm"], "--all"),
    ];
    for (args, said) in cases {
        let output = luoctl(dir.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            stderr(&output).contains(said),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_token_given_twice_is_refused_before_anything_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "create",
        "vm",
        "--hold",
        "--file",
        "1=/none",
        "--file",
        "0x1=/none",
    ];
    let output = luoctl(dir.path(), &args);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("given twice"),
        "{}",
        stderr(&output)
    );
}
