use std::io;
use std::time::Duration;

use super::*;
use crate::probe::Down;
use crate::proto::{ReplyError, WaitStatus};

const SOFT: &[u8] = include_bytes!("../elf/fixtures/armel.o");
const HARD: &[u8] = include_bytes!("../elf/fixtures/armhf.o");
const AMD64: &[u8] = include_bytes!("../elf/fixtures/amd64.o");
const SUBJECT: Subject<'_> = Subject {
    node: "n1",
    compiler: "gcc",
    triple: Some("arm-linux-gnueabi"),
};

fn compiled(object: &[u8]) -> Outcome {
    Outcome::Reply(Box::new(Reply {
        status: WaitStatus(0),
        stderr: Vec::new(),
        stdout: Vec::new(),
        object: object.to_vec(),
    }))
}

fn failed(stderr: &[u8]) -> Outcome {
    Outcome::Reply(Box::new(Reply {
        status: WaitStatus(0x100),
        stderr: stderr.to_vec(),
        stdout: Vec::new(),
        object: Vec::new(),
    }))
}

fn armel() -> Expected {
    Expected {
        target: Some((Class::Elf32, Endian::Little, Machine::ARM)),
        float: Some(Float::Soft),
        gcc: Some("12.2.0".to_owned()),
        ..Expected::default()
    }
}

/// Both steps, as doctor walks them.
fn ladder(first: &Outcome, second: &Outcome, expected: &Expected) -> Finding {
    match target(first, expected, SUBJECT) {
        Ok(seen) => identity(second, &seen, expected, SUBJECT),
        Err(finding) => finding,
    }
}

fn check(finding: &Finding, verdict: Verdict, detail: &str) {
    assert_eq!(finding.verdict, verdict, "{finding:?}");
    assert_eq!(finding.detail, detail);
}

#[test]
fn the_device_s_own_object_is_ok() {
    let soft = compiled(SOFT);
    let finding = ladder(&soft, &soft, &armel());
    check(
        &finding,
        Verdict::Ok,
        "ELF32 arm, soft-float v5TE, gcc 12.2.0",
    );
}

#[test]
fn an_x86_object_is_the_wrong_target_and_the_hint_names_the_cross_compiler() {
    let finding = ladder(&compiled(AMD64), &compiled(AMD64), &armel());
    check(
        &finding,
        Verdict::WrongTarget,
        "ELF64 x86-64, wanted ELF32 arm",
    );
    assert_eq!(
        finding.hint.unwrap(),
        "call arm-linux-gnueabi-gcc instead of gcc, as the device kit's wrappers do"
    );
}

#[test]
fn the_float_abi_counts_with_the_farm_s_flags_only() {
    let finding = ladder(&compiled(HARD), &compiled(SOFT), &armel());
    assert_eq!(
        finding.verdict,
        Verdict::Ok,
        "-mfloat-abi may be among the flags"
    );
    let mut expected = armel();
    expected.cpu_arch = Some(CpuArch(4));
    let finding = ladder(&compiled(HARD), &compiled(HARD), &expected);
    check(
        &finding,
        Verdict::WrongTarget,
        "hard-float v7, wanted soft-float v5TE",
    );
}

#[test]
fn flags_that_fail_because_of_the_float_abi_are_a_wrong_target() {
    let error = b"error: selected architecture lacks an FPU\n";
    let finding = ladder(&compiled(HARD), &failed(error), &armel());
    check(
        &finding,
        Verdict::WrongTarget,
        "hard-float v7, wanted soft-float",
    );
    let finding = ladder(&compiled(SOFT), &failed(error), &armel());
    check(
        &finding,
        Verdict::CompileError,
        "exit status 1 on the farm's cflags: error: selected architecture lacks an FPU",
    );
}

#[test]
fn an_arm_object_without_attributes_cannot_be_trusted() {
    // The section's type is changed, so that the reader does not see it.
    let mut object = SOFT.to_vec();
    let at = object
        .windows(4)
        .position(|w| w == [3, 0, 0, 0x70])
        .unwrap();
    object[at] = 1;
    let finding = ladder(&compiled(SOFT), &compiled(&object), &armel());
    check(
        &finding,
        Verdict::WrongTarget,
        "no .ARM.attributes, wanted soft-float",
    );
}

#[test]
fn versions_are_compared_by_the_last_word_of_the_comment() {
    let soft = compiled(SOFT);
    let mut expected = armel();
    expected.gcc = Some("11.3.0".to_owned());
    let finding = ladder(&soft, &soft, &expected);
    check(&finding, Verdict::WrongVersion, "12.2.0, wanted 11.3.0");
    assert!(finding.hint.unwrap().contains("install gcc 11.3.0"));
    expected.gcc = None;
    assert_eq!(ladder(&soft, &soft, &expected).verdict, Verdict::Ok);
}

#[test]
fn an_object_without_a_gcc_version_is_judged_only_where_one_is_wanted() {
    let mut object = SOFT.to_vec();
    let at = object.windows(5).position(|w| w == b"GCC: ").unwrap();
    object[at] = b'L';
    let other = compiled(&object);
    let finding = ladder(&other, &other, &armel());
    check(
        &finding,
        Verdict::WrongVersion,
        "no gcc version in the object, wanted 12.2.0",
    );
    let any = Expected {
        gcc: None,
        ..armel()
    };
    assert_eq!(ladder(&other, &other, &any).verdict, Verdict::Ok);
}

#[test]
fn another_revision_of_the_same_version_is_a_note_unless_strict() {
    let soft = compiled(SOFT);
    let mut expected = armel();
    expected.gcc_text = Some("(Debian 12.2.0-14+deb12u1) 12.2.0".to_owned());
    let finding = ladder(&soft, &soft, &expected);
    assert_eq!(finding.verdict, Verdict::Ok);
    assert!(
        finding.detail.contains("12.2.0-14+deb12u1"),
        "{}",
        finding.detail
    );
    expected.strict = true;
    assert_eq!(
        ladder(&soft, &soft, &expected).verdict,
        Verdict::WrongVersion
    );
}

#[test]
fn other_code_from_the_same_version_names_the_sections() {
    let soft = compiled(SOFT);
    let mut expected = armel();
    expected.sha256 = Some(hex_digest(SOFT));
    assert_eq!(ladder(&soft, &soft, &expected).verdict, Verdict::Ok);
    expected.sha256 = Some("0".repeat(64));
    expected.sections.insert(".text".to_owned(), "0".repeat(64));
    let finding = ladder(&soft, &soft, &expected);
    assert_eq!(finding.verdict, Verdict::WrongVersion);
    assert!(
        finding
            .detail
            .starts_with("same version, other code in .text: sha256 ")
    );
}

#[test]
fn what_is_not_an_object_is_a_bad_reply() {
    for (object, detail) in [
        (&b""[..], "exit status 0, but no object"),
        (
            b"!<arch>\n",
            "returned object: not an ELF file; it begins with \"!<arch>\\n\"",
        ),
    ] {
        check(
            &ladder(&compiled(object), &compiled(object), &armel()),
            Verdict::BadReply,
            detail,
        );
    }
}

#[test]
fn text_from_a_node_is_escaped_and_cut() {
    let mut stderr = b"\x1b[2Jx\n".to_vec();
    stderr.extend(b"line\n".repeat(50));
    let finding = ladder(&failed(&stderr), &compiled(SOFT), &armel());
    assert_eq!(finding.verdict, Verdict::CompileError);
    assert!(
        finding.detail.contains("\\x1b[2Jx | line"),
        "{}",
        finding.detail
    );
    assert_eq!(finding.detail.matches("line").count() - 1, SHOWN_LINES - 1);
}

#[test]
fn every_way_to_refuse_has_its_own_verdict() {
    let silent = || ReplyError::Read {
        offset: 3,
        source: io::ErrorKind::TimedOut.into(),
    };
    let cases = [
        (
            Outcome::Down(Down::ConnectTimeout {
                after: Duration::from_secs(3),
            }),
            Verdict::Down,
            "no connection within 3 s",
        ),
        (
            Outcome::Down(Down::NoAnswer {
                after: Duration::from_secs(30),
            }),
            Verdict::Down,
            "connected, no answer in 30 s (busy?)",
        ),
        (
            Outcome::ClientRefused {
                from: Some("10.77.0.4".parse().unwrap()),
            },
            Verdict::RefusedClient,
            "client not allowed",
        ),
        (
            Outcome::ResetWhileReading,
            Verdict::BadReply,
            "reset while reading the request",
        ),
        (
            Outcome::CompilerRefused,
            Verdict::RefusedCompiler,
            "closed without a reply",
        ),
        (
            Outcome::BadReply(silent()),
            Verdict::BadReply,
            "reading byte 3 of the reply: timed out",
        ),
    ];
    for (outcome, verdict, detail) in cases {
        check(&ladder(&outcome, &outcome, &armel()), verdict, detail);
    }
    let refused = Outcome::ClientRefused {
        from: Some("10.77.0.4".parse().unwrap()),
    };
    let hint = ladder(&refused, &refused, &armel()).hint.unwrap();
    assert_eq!(hint, "add 10.77.0.4 to distccd's --allow list on n1");
}
