//! From what a node did to what that means: pure functions, no network, no clock.
//!
//! A node is asked twice per compiler name. The *target* probe sends ten lines and no CFLAGS,
//! because a compiler for another machine rejects the farm's `-march` and would look like a
//! compile error. The *identity* probe sends a real source with the farm's CFLAGS and compares
//! the object with the device's own.

use std::collections::BTreeMap;
use std::fmt;

use nightshift_common::error::chain;
use nightshift_common::escape::Escaped;
use serde::Serialize;

use crate::elf::{ArmAttributes, Class, CpuArch, Endian, Float, Machine, ObjectFacts};
use crate::probe::Outcome;
use crate::proto::Reply;
use crate::source::hex_digest;

/// Most lines of a node's error text that are repeated.
const SHOWN_LINES: usize = 10;
/// Most bytes of such a line, so that one endless line does not flood the terminal.
const SHOWN_BYTES: usize = 300;

/// The answer for one node and one compiler name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Verdict {
    /// The node gives the device the objects its own compiler would give.
    Ok,
    /// Objects for another machine, float ABI or architecture.
    WrongTarget,
    /// Another version of the compiler, or one that generates other code.
    WrongVersion,
    /// This host is not in the node's `--allow` list.
    RefusedClient,
    /// The node does not run this compiler.
    RefusedCompiler,
    /// No connection, or no answer.
    Down,
    /// An answer that is not a reply of distccd, or an object that is none.
    BadReply,
    /// The compiler ran and failed.
    CompileError,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` instead of `write_str`: the report aligns this column.
        f.pad(match self {
            Self::Ok => "ok",
            Self::WrongTarget => "wrong-target",
            Self::WrongVersion => "wrong-version",
            Self::RefusedClient => "refused-client",
            Self::RefusedCompiler => "refused-compiler",
            Self::Down => "down",
            Self::BadReply => "bad-reply",
            Self::CompileError => "compile-error",
        })
    }
}

/// A verdict, what was seen, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The answer.
    pub verdict: Verdict,
    /// What was seen; text from the node is escaped already.
    pub detail: String,
    /// What to try.
    pub hint: Option<String>,
}

/// Whom the verdict is about; hints name them.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Name of the node in the farm file, or its address.
    pub node: &'a str,
    /// Compiler name sent.
    pub compiler: &'a str,
    /// The farm's triple, if known.
    pub triple: Option<&'a str>,
}

/// What the device needs. Whatever is `None` is reported, not judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Class, byte order and machine.
    pub target: Option<(Class, Endian, Machine)>,
    /// Float ABI; judged on ARM only.
    pub float: Option<Float>,
    /// Architecture of ARM code.
    pub cpu_arch: Option<CpuArch>,
    /// Version of gcc, `12.2.0`.
    pub gcc: Option<String>,
    /// The whole text in `.comment` of the device's objects.
    pub gcc_text: Option<String>,
    /// SHA-256 of the device's object of the identity source.
    pub sha256: Option<String>,
    /// SHA-256 of that object's sections, to say where a difference lies.
    pub sections: BTreeMap<String, String>,
    /// Another distribution revision of the same version is a `wrong-version` too.
    pub strict: bool,
}

/// What the target probe learned and the identity probe needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    facts: ObjectFacts,
    wrong_version: Option<String>,
}

/// Judges the target probe. `Err` ends the ladder for this name.
pub fn target(outcome: &Outcome, expected: &Expected, subject: Subject) -> Result<Seen, Finding> {
    let reply = reply_of(outcome, subject)?;
    if !reply.status.success() {
        return Err(compile_error(reply, "the ten-line probe"));
    }
    let facts = object_facts(reply)?;
    if let Some(wanted) = expected.target
        && (facts.class, facts.endian, facts.machine) != wanted
    {
        return Err(Finding {
            verdict: Verdict::WrongTarget,
            detail: format!(
                "{}, wanted {}",
                machine_text(facts.class, facts.endian, facts.machine),
                machine_text(wanted.0, wanted.1, wanted.2)
            ),
            hint: Some(wrong_target_hint(subject)),
        });
    }
    let wrong_version = wrong_version(&facts, expected);
    Ok(Seen {
        facts,
        wrong_version,
    })
}

/// Judges the identity probe of a name whose target probe passed.
pub fn identity(outcome: &Outcome, seen: &Seen, expected: &Expected, subject: Subject) -> Finding {
    judge_identity(outcome, seen, expected, subject).unwrap_or_else(|finding| finding)
}

fn judge_identity(
    outcome: &Outcome,
    seen: &Seen,
    expected: &Expected,
    subject: Subject,
) -> Result<Finding, Finding> {
    let reply = reply_of(outcome, subject)?;
    if !reply.status.success() {
        // A hard-float gcc that is given -march=armv5te only says "selected architecture lacks an
        // FPU"; the target probe saw the real reason.
        wrong_abi(seen.facts.arm, seen.facts.machine, expected, false, subject)?;
        let mut finding = compile_error(reply, "the farm's cflags");
        if let Some(wrong) = &seen.wrong_version {
            finding.verdict = Verdict::WrongVersion;
            finding.detail = format!("{wrong}; {}", finding.detail);
        }
        return Err(finding);
    }
    let facts = object_facts(reply)?;
    if let Some(wanted) = expected.target
        && (facts.class, facts.endian, facts.machine) != wanted
    {
        return Err(Finding {
            verdict: Verdict::WrongTarget,
            detail: format!(
                "with the farm's cflags {}, without them {}",
                machine_text(facts.class, facts.endian, facts.machine),
                machine_text(wanted.0, wanted.1, wanted.2)
            ),
            hint: Some("cflags in the farm file select another target".to_owned()),
        });
    }
    wrong_abi(facts.arm, facts.machine, expected, true, subject)?;
    if let Some(wrong) = &seen.wrong_version {
        return Err(Finding {
            verdict: Verdict::WrongVersion,
            detail: wrong.clone(),
            hint: Some(wrong_version_hint(expected, subject)),
        });
    }
    if let Some(wanted) = &expected.sha256 {
        let digest = hex_digest(&reply.object);
        // C++ names compile the target source, for which the reference has no digest.
        if digest != *wanted && !crate::source::is_cxx(subject.compiler) {
            return Err(Finding {
                verdict: Verdict::WrongVersion,
                detail: other_code(&facts, expected, &digest),
                hint: Some(wrong_version_hint(expected, subject)),
            });
        }
    }
    Ok(healthy(seen, &facts, expected))
}

fn reply_of<'a>(outcome: &'a Outcome, subject: Subject) -> Result<&'a Reply, Finding> {
    let (verdict, detail, hint) = match outcome {
        Outcome::Reply(reply) => return Ok(reply),
        Outcome::Down(down) => (Verdict::Down, chain(down), None),
        Outcome::ClientRefused { from } => {
            let address = from.map_or("this host's address".to_owned(), |ip| ip.to_string());
            (
                Verdict::RefusedClient,
                "client not allowed".to_owned(),
                Some(format!(
                    "add {address} to distccd's --allow list on {}",
                    subject.node
                )),
            )
        }
        Outcome::ResetWhileReading => (
            Verdict::BadReply,
            "reset while reading the request".to_owned(),
            Some(format!(
                "this host is allowed; distccd's log on {} has the reason",
                subject.node
            )),
        ),
        Outcome::CompilerRefused => (
            Verdict::RefusedCompiler,
            "closed without a reply".to_owned(),
            Some(format!(
                "link {} to distcc in /usr/lib/distcc on {}; distccd's log there has the reason",
                Escaped::text(file_name(subject.compiler)),
                subject.node
            )),
        ),
        Outcome::BadReply(error) => (
            Verdict::BadReply,
            chain(error),
            Some(format!(
                "is it distccd that listens on this port of {}?",
                subject.node
            )),
        ),
    };
    Err(Finding {
        verdict,
        detail,
        hint,
    })
}

fn object_facts(reply: &Reply) -> Result<ObjectFacts, Finding> {
    let bad = |detail| Finding {
        verdict: Verdict::BadReply,
        detail,
        hint: None,
    };
    if reply.object.is_empty() {
        return Err(bad("exit status 0, but no object".to_owned()));
    }
    ObjectFacts::read(&reply.object).map_err(|error| {
        let start = &reply.object[..reply.object.len().min(16)];
        bad(format!(
            "returned object: {error}; it begins with \"{}\"",
            Escaped::text(start)
        ))
    })
}

fn compile_error(reply: &Reply, what: &str) -> Finding {
    let text = error_lines(&reply.stderr);
    let detail = if text.is_empty() {
        format!("{} on {what}, without a message", reply.status)
    } else {
        format!("{} on {what}: {text}", reply.status)
    };
    Finding {
        verdict: Verdict::CompileError,
        detail,
        hint: None,
    }
}

/// The first lines of a compiler's error text, escaped, on one line.
fn error_lines(stderr: &[u8]) -> String {
    let lines: Vec<_> = stderr
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .take(SHOWN_LINES)
        .map(|line| Escaped::text(&line[..line.len().min(SHOWN_BYTES)]).to_string())
        .collect();
    lines.join(" | ")
}

/// Checks float ABI and, `with_cflags`, the architecture.
fn wrong_abi(
    arm: Option<ArmAttributes>,
    machine: Machine,
    expected: &Expected,
    with_cflags: bool,
    subject: Subject,
) -> Result<(), Finding> {
    if machine != Machine::ARM || (expected.float.is_none() && expected.cpu_arch.is_none()) {
        return Ok(());
    }
    let fail = |seen: String| {
        Err(Finding {
            verdict: Verdict::WrongTarget,
            detail: format!(
                "{seen}, wanted {}",
                abi_text(expected.float, expected.cpu_arch)
            ),
            hint: Some(wrong_target_hint(subject)),
        })
    };
    let Some(arm) = arm else {
        return fail("no .ARM.attributes".to_owned());
    };
    let float = arm.float();
    let float_differs = expected.float.is_some() && float.is_some() && float != expected.float;
    let arch_differs =
        with_cflags && expected.cpu_arch.is_some() && arm.cpu_arch != expected.cpu_arch;
    if float_differs || arch_differs {
        fail(abi_text(float, arm.cpu_arch))
    } else {
        Ok(())
    }
}

fn wrong_version(facts: &ObjectFacts, expected: &Expected) -> Option<String> {
    let wanted = expected.gcc.as_deref()?;
    match facts.gcc_version() {
        None => Some(format!("no gcc version in the object, wanted {wanted}")),
        Some(seen) if seen != wanted => Some(format!("{}, wanted {wanted}", Escaped::text(seen))),
        Some(_) if expected.strict => revision_note(facts, expected),
        Some(_) => None,
    }
}

/// Same version, other package: `Debian 12.2.0-14` and `Debian 12.2.0-14+deb12u1`.
fn revision_note(facts: &ObjectFacts, expected: &Expected) -> Option<String> {
    let device = expected.gcc_text.as_deref()?;
    let node = facts.gcc_text.as_deref()?;
    (device != node).then(|| {
        format!(
            "same version, other revision: \"{}\", the device's is \"{}\"",
            Escaped::text(node),
            Escaped::text(device)
        )
    })
}

fn other_code(facts: &ObjectFacts, expected: &Expected, digest: &str) -> String {
    let differing: Vec<_> = expected
        .sections
        .iter()
        .filter(|(name, wanted)| facts.sections.get(*name) != Some(wanted))
        .map(|(name, _)| Escaped::text(name).to_string())
        .collect();
    let place = match differing.len() {
        0 => String::new(),
        _ => format!(" in {}", differing.join(" ")),
    };
    format!("same version, other code{place}: sha256 {digest}")
}

fn healthy(seen: &Seen, facts: &ObjectFacts, expected: &Expected) -> Finding {
    let mut parts = vec![machine_text(facts.class, facts.endian, facts.machine)];
    parts.extend(facts.arm.map(|arm| abi_text(arm.float(), arm.cpu_arch)));
    parts.push(match seen.facts.gcc_version() {
        Some(version) => format!("gcc {}", Escaped::text(version)),
        None => "no gcc version in the object".to_owned(),
    });
    if expected.sha256.is_some() {
        parts.push("same code as the device's".to_owned());
    }
    let mut detail = parts.join(", ");
    if let Some(note) = revision_note(&seen.facts, expected) {
        detail = format!("{detail}; {note}");
    }
    Finding {
        verdict: Verdict::Ok,
        detail,
        hint: None,
    }
}

fn wrong_target_hint(subject: Subject) -> String {
    match subject.triple {
        Some(triple) => format!(
            "call {triple}-{} instead of {}, as the device kit's wrappers do",
            if crate::source::is_cxx(subject.compiler) {
                "g++"
            } else {
                "gcc"
            },
            Escaped::text(subject.compiler)
        ),
        None => "call the cross compiler by its full name, TRIPLE-gcc".to_owned(),
    }
}

fn wrong_version_hint(expected: &Expected, subject: Subject) -> String {
    let version = expected.gcc.as_deref().unwrap_or("the device's version");
    format!(
        "install gcc {version} as {} on {}",
        Escaped::text(subject.compiler),
        subject.node
    )
}

fn machine_text(class: Class, endian: Endian, machine: Machine) -> String {
    // Nearly everything is little-endian; only the exception is worth a word.
    match endian {
        Endian::Little => format!("{class} {machine}"),
        Endian::Big => format!("{class} {machine} big-endian"),
    }
}

fn abi_text(float: Option<Float>, arch: Option<CpuArch>) -> String {
    match (float, arch) {
        (Some(float), Some(arch)) => format!("{float} {arch}"),
        (Some(float), None) => float.to_string(),
        (None, Some(arch)) => arch.to_string(),
        (None, None) => "no ABI named".to_owned(),
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests;
