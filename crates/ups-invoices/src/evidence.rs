//! What is kept when a page is not as the profile says: a recording, the page, and what differs
//! from the last good one. Everything is redacted; the directory is for its owner alone.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use nightshift_common::atomic;

use crate::archive::make_private;
use crate::mech::{Hop, Page};
use crate::profile::Profile;
use crate::redact::Redactor;
use crate::tape::Tape;

/// What to keep.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// What was being done.
    pub step: &'a str,
    /// What is missing, or what was refused.
    pub missing: &'a str,
    /// The profile.
    pub profile: &'a Profile,
    /// Every request of the run.
    pub hops: &'a [Hop],
    /// The page that came.
    pub page: Option<&'a Page>,
    /// Skeleton of the last good page of this step.
    pub good: Option<&'a str>,
    /// The recording so far.
    pub tape: &'a Tape,
}

impl Evidence<'_> {
    /// Writes a new directory below `root` and gives its path.
    pub fn save(&self, root: &Path, redactor: &Redactor, now: Timestamp) -> io::Result<PathBuf> {
        let stamp = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut directory = root.join(&stamp);
        let mut number = 1;
        while directory.exists() {
            number += 1;
            directory = root.join(format!("{stamp}-{number}"));
        }
        make_private(&directory)?;
        let write = |name: &str, text: &str| {
            atomic::replace_with(
                &directory.join(name),
                0o600,
                redactor.clean(text).as_bytes(),
            )
            .map_err(io::Error::other)
        };
        write("report.txt", &self.report())?;
        write("tape.jsonl", &self.tape.to_text(redactor))?;
        if let Some(page) = self.page.filter(|page| page.is_html()) {
            write("page.html", &page.text())?;
        }
        Ok(directory)
    }

    fn report(&self) -> String {
        let mut text = format!(
            "step: {}\nmissing: {}\nprofile: {} ({}, sha256 {})\n\nrequests:\n",
            self.step,
            self.missing,
            self.profile.name,
            self.profile.path.display(),
            crate::hex(digest(&SHA256, self.profile.text.as_bytes()).as_ref())
        );
        for hop in self.hops {
            let _ = writeln!(
                text,
                "  {} {} -> {} ({})",
                hop.method, hop.url, hop.status, hop.step
            );
        }
        if let Some(page) = self.page.filter(|page| page.is_html()) {
            let now = page.document().skeleton();
            if let Some(good) = self.good {
                text.push_str("\nskeleton, - last good page, + this page:\n");
                text.push_str(&difference(good, &now));
            } else {
                text.push_str("\nskeleton of this page (no good one is known):\n");
                text.push_str(&now);
            }
        }
        text
    }
}

/// Lines that only one of two skeletons has, in order, by the longest common subsequence.
#[must_use]
pub fn difference(old: &str, new: &str) -> String {
    /// Pages have hundreds of elements; the table below is quadratic.
    const MOST_LINES: usize = 3000;
    let old: Vec<&str> = old.lines().take(MOST_LINES).collect();
    let new: Vec<&str> = new.lines().take(MOST_LINES).collect();
    let width = new.len() + 1;
    let mut common = vec![0_u16; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut text) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]
        {
            let _ = writeln!(text, "-{}", old[i]);
            i += 1;
        } else {
            let _ = writeln!(text, "+{}", new[j]);
            j += 1;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_shows_what_moved() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\n"), "-b\n+x\n");
        assert_eq!(difference("a\n", "a\n"), "");
        assert_eq!(difference("", "a\n"), "+a\n");
    }
}
