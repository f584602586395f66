//! Runs the device's compiler through a command such as `ssh dev`.
//!
//! The device needs a POSIX shell and gcc, nothing of ours. A script goes to `sh -s` on its
//! standard input; the answer comes back as named fields, each with its length in front, because
//! objects contain every byte there is.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

use nightshift_common::escape::Escaped;

use super::{Reference, SCHEMA, probe_id};
use crate::elf::ObjectFacts;
use crate::error::Error;
use crate::farm::Farm;
use crate::source::{hex_digest, identity, target};

/// First line of the answer; what a login script prints before it is skipped.
const GREETING: &[u8] = b"ccfarm-reference 1\n";
/// Most bytes taken from a device: two objects and some text are far below it.
const MAX_FIELD: usize = 64 << 20;
/// Most of the script's error text that is repeated.
const SHOWN: usize = 2000;

/// Asks the device behind `via` (words are split at blanks; `sh -s` is appended) what `compiler`
/// makes of the probe sources.
pub fn ask(farm: &Farm, via: &str, compiler: &str) -> Result<Reference, Error> {
    let mut words = via.split_ascii_whitespace();
    let program = words
        .next()
        .ok_or_else(|| Error::Usage("--via is empty; for this host it is \"env\"".to_owned()))?;
    let output = run(program, words, &script(farm, compiler))?;
    let fields = fields(&output)?;
    reference(farm, compiler, &fields)
}

/// The script that the device runs.
fn script(farm: &Farm, compiler: &str) -> String {
    let cflags = farm
        .target
        .cflags
        .words()
        .iter()
        .map(|word| quoted(word))
        .collect::<Vec<_>>();
    // Sources are ASCII without a line "CCFARM_END"; a quoted here-document changes nothing in
    // them. gcc reads /dev/null, because its standard input would otherwise be this script.
    // `as` cannot write into a pipe, so objects go through a file. The names end in .i, as on a
    // node: only then does gcc take the object's FILE symbol from the line marker.
    format!(
        "set -e
cc={compiler}
dir=$(mktemp -d)
trap 'rm -rf \"$dir\"' EXIT
trap 'exit 1' HUP INT TERM
cd \"$dir\"
export CCACHE_DISABLE=1
cat > target.i <<'CCFARM_END'
{target}CCFARM_END
cat > identity.i <<'CCFARM_END'
{identity}CCFARM_END
\"$cc\" -O1 -c target.i -o target.o < /dev/null
\"$cc\" {cflags} -fno-ident -c identity.i -o identity.o < /dev/null
\"$cc\" -dumpmachine < /dev/null > machine
\"$cc\" -dumpfullversion < /dev/null > version
echo ccfarm-reference 1
for field in machine version target.o identity.o; do
    echo \"$field\" $(wc -c < \"$field\")
    cat \"$field\"
done
",
        compiler = quoted(compiler),
        cflags = cflags.join(" "),
        target = String::from_utf8_lossy(&target("cc")),
        identity = String::from_utf8_lossy(&identity("cc")),
    )
}

/// As one word for a POSIX shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn run<'a>(
    program: &str,
    args: impl Iterator<Item = &'a str>,
    script: &str,
) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Run {
        program: program.to_owned(),
        source,
    };
    let mut child = Command::new(program)
        .args(args)
        .args(["sh", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // Written by a thread: the script is larger than a pipe, and a device may talk before it has
    // read everything.
    let stdin = child.stdin.take();
    let script = script.to_owned();
    let writer = thread::spawn(move || {
        // A device that stops reading says why on stderr; that is reported below.
        stdin.map(|mut stdin| stdin.write_all(script.as_bytes()))
    });
    let output = child.wait_with_output().map_err(failed)?;
    // The thread ends with the pipe; a panic in it is impossible, an I/O error told elsewhere.
    let _ = writer.join();
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = output.stderr.trim_ascii();
    let text = &text[text.len().saturating_sub(SHOWN)..];
    Err(Error::Failed {
        program: program.to_owned(),
        status: output.status.to_string(),
        message: Escaped::text(text).to_string(),
    })
}

/// Splits the answer into its fields.
fn fields(output: &[u8]) -> Result<BTreeMap<String, &[u8]>, Error> {
    let bad = |reason: &str| Error::Device(reason.to_owned());
    let start = output
        .windows(GREETING.len())
        .position(|window| window == GREETING)
        .ok_or_else(|| bad("no greeting"))?;
    let mut rest = &output[start + GREETING.len()..];
    let mut fields = BTreeMap::new();
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|&b| b == b'\n')
            .ok_or_else(|| bad("a header without end"))?;
        let header = str::from_utf8(&rest[..end])
            .ok()
            .ok_or_else(|| bad("a header that is not text"))?;
        let (name, length) = header
            .split_once(' ')
            .ok_or_else(|| bad("a header without length"))?;
        let length: usize = length
            .trim()
            .parse()
            .ok()
            .ok_or_else(|| bad("a length that is no number"))?;
        rest = &rest[end + 1..];
        if length > MAX_FIELD || length > rest.len() {
            return Err(bad("a field longer than the answer"));
        }
        fields.insert(name.to_owned(), &rest[..length]);
        rest = &rest[length..];
    }
    Ok(fields)
}

fn reference(
    farm: &Farm,
    compiler: &str,
    fields: &BTreeMap<String, &[u8]>,
) -> Result<Reference, Error> {
    let field = |name: &str| {
        fields
            .get(name)
            .copied()
            .ok_or_else(|| Error::Device(format!("{name} is missing")))
    };
    let text = |name: &str| {
        field(name).map(|bytes| String::from_utf8_lossy(bytes.trim_ascii()).into_owned())
    };
    let (triple, gcc) = (text("machine")?, text("version")?);
    let target = ObjectFacts::read(field("target.o")?).map_err(Error::DeviceObject)?;
    let object = field("identity.o")?;
    let facts = ObjectFacts::read(object).map_err(Error::DeviceObject)?;
    let wanted = &farm.target;
    let mismatch = |seen: String, wanted: String| Error::DeviceTarget {
        compiler: compiler.to_owned(),
        seen: Escaped::text(&seen).to_string(),
        wanted,
    };
    if triple != wanted.triple.as_ref() {
        return Err(mismatch(triple, wanted.triple.to_string()));
    }
    if (facts.class, facts.endian, facts.machine) != (wanted.class, wanted.endian, wanted.machine) {
        return Err(mismatch(
            format!("{} {}", facts.class, facts.machine),
            format!("{} {}", wanted.class, wanted.machine),
        ));
    }
    let float = facts.arm.and_then(|arm| arm.float());
    if let (Some(seen), Some(float)) = (float, wanted.float)
        && seen != float
    {
        return Err(mismatch(seen.to_string(), float.to_string()));
    }
    Ok(Reference {
        schema: SCHEMA,
        triple,
        gcc,
        gcc_text: target.gcc_text.unwrap_or_default(),
        cpu_arch: facts.arm.and_then(|arm| arm.cpu_arch).map(|arch| arch.0),
        float,
        cflags: wanted.cflags.to_string(),
        probe: probe_id(),
        sha256: hex_digest(object),
        sections: facts.sections,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_may_hold_any_byte_and_follow_a_chatty_login() {
        let answer = b"Welcome!\nccfarm-reference 1\nmachine 4\narm\nobject  3\n\n\0\n";
        let fields = fields(answer).unwrap();
        assert_eq!(fields["machine"], b"arm\n");
        assert_eq!(fields["object"], b"\n\0\n");
    }

    #[test]
    fn a_broken_answer_says_what_is_broken() {
        for (answer, reason) in [
            (&b"Welcome!\n"[..], "no greeting"),
            (b"ccfarm-reference 1\nmachine", "a header without end"),
            (b"ccfarm-reference 1\nmachine\n", "a header without length"),
            (
                b"ccfarm-reference 1\nmachine x\n",
                "a length that is no number",
            ),
            (
                b"ccfarm-reference 1\nmachine 9\narm\n",
                "a field longer than the answer",
            ),
        ] {
            let error = fields(answer).unwrap_err().to_string();
            assert!(error.ends_with(reason), "{error}");
        }
    }

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quoted("-DX='a b'"), "'-DX='\\''a b'\\'''");
    }
}
