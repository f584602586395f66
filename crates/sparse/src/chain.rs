//! Which files of a repository make up one state: a pure function over what is there.

use crate::increment::Type;
use jiff::Timestamp;

/// An increment as far as the rules care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The backup whose state it holds.
    pub time: Timestamp,
    /// What it holds.
    pub kind: Type,
}

/// What is in the mirror under the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mirror {
    /// Nothing.
    Absent,
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A link, a device, a pipe.
    Other,
}

/// Where a chain starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The file in the mirror.
    Mirror,
    /// The increment of this number.
    Snapshot(usize),
}

/// How the file was at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// A file: its base, then the diffs of these numbers, in this order.
    Content {
        /// Where to begin.
        base: Base,
        /// Increments to apply, newest first.
        diffs: Vec<usize>,
    },
    /// It did not exist.
    Missing,
    /// It was a directory.
    Dir,
    /// It was a link or a special file.
    Other,
}

/// A chain that does not hang together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Two increments for one backup.
    #[error("two increments for the time {0}")]
    Duplicate(Timestamp),
    /// A diff with nothing to apply it to.
    #[error("the diff of {0} has no file to apply to")]
    NoBase(Timestamp),
}

/// The time of the backup that holds the state of `wanted`: the newest not after it. The flag
/// tells that there is none, and the oldest was taken.
pub fn recorded(times: &[Timestamp], wanted: Timestamp) -> Option<(Timestamp, bool)> {
    let before = times.iter().filter(|time| **time <= wanted).max();
    match before {
        Some(time) => Some((*time, false)),
        None => times.iter().min().map(|oldest| (*oldest, true)),
    }
}

/// The state of a file at the recorded time `at`. `links` may be in any order.
pub fn resolve(links: &[Link], mirror: Mirror, at: Timestamp) -> Result<State, Broken> {
    let mut order: Vec<usize> = (0..links.len()).collect();
    order.sort_by_key(|index| links[*index].time);
    for pair in order.windows(2) {
        if links[pair[0]].time == links[pair[1]].time {
            return Err(Broken::Duplicate(links[pair[0]].time));
        }
    }
    // An increment holds the state of its own backup and of those since the one before it.
    let mut diffs = Vec::new();
    let mut end = None;
    for index in order.into_iter().filter(|index| links[*index].time >= at) {
        if links[index].kind != Type::Diff {
            end = Some(index);
            break;
        }
        diffs.push(index);
    }
    // They were collected from the oldest on and are applied from the newest on.
    diffs.reverse();
    let oldest = diffs.last().map(|index| links[*index].time);
    let base = match end.map(|index| (index, links[index].kind)) {
        Some((index, Type::Snapshot)) => Ok(Base::Snapshot(index)),
        Some((_, Type::Dir)) => Err(State::Dir),
        Some(_) => Err(State::Missing),
        None => match mirror {
            Mirror::File => Ok(Base::Mirror),
            Mirror::Absent => Err(State::Missing),
            Mirror::Dir => Err(State::Dir),
            Mirror::Other => Err(State::Other),
        },
    };
    match (base, oldest) {
        (Ok(base), _) => Ok(State::Content { base, diffs }),
        (Err(state), None) => Ok(state),
        // rdiff-backup would substitute an empty file here; that is not what was backed up.
        (Err(_), Some(time)) => Err(Broken::NoBase(time)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("valid")
    }

    /// `d5 s7 m9`: a diff at 5, a snapshot at 7, a missing marker at 9.
    fn links(text: &str) -> Vec<Link> {
        text.split_whitespace()
            .map(|word| {
                let kind = match &word[..1] {
                    "d" => Type::Diff,
                    "s" => Type::Snapshot,
                    "m" => Type::Missing,
                    "D" => Type::Dir,
                    other => panic!("{other}"),
                };
                Link {
                    time: time(word[1..].parse().expect("number")),
                    kind,
                }
            })
            .collect()
    }

    fn content(base: Base, diffs: &[usize]) -> State {
        State::Content {
            base,
            diffs: diffs.to_vec(),
        }
    }

    #[test]
    fn chains_follow_the_rules() {
        let table = [
            // increments, mirror, time, state
            ("", Mirror::File, 9, content(Base::Mirror, &[])),
            ("", Mirror::Absent, 9, State::Missing),
            ("", Mirror::Dir, 9, State::Dir),
            ("", Mirror::Other, 9, State::Other),
            (
                "d1 d2 d3",
                Mirror::File,
                1,
                content(Base::Mirror, &[2, 1, 0]),
            ),
            ("d1 d2 d3", Mirror::File, 2, content(Base::Mirror, &[2, 1])),
            ("d1 d2 d3", Mirror::File, 4, content(Base::Mirror, &[])),
            ("d3 d1 d2", Mirror::File, 2, content(Base::Mirror, &[0, 2])),
            (
                "d1 s2 d3",
                Mirror::File,
                1,
                content(Base::Snapshot(1), &[0]),
            ),
            ("d1 s2 d3", Mirror::File, 2, content(Base::Snapshot(1), &[])),
            ("d1 s2 d3", Mirror::File, 3, content(Base::Mirror, &[2])),
            ("d1 s2", Mirror::Absent, 1, content(Base::Snapshot(1), &[0])),
            ("d1 s2", Mirror::Absent, 3, State::Missing),
            ("m1 d3", Mirror::File, 1, State::Missing),
            ("m1 d3", Mirror::File, 2, content(Base::Mirror, &[1])),
            ("D1 d3", Mirror::File, 1, State::Dir),
            ("s1 m2 d4", Mirror::File, 1, content(Base::Snapshot(0), &[])),
            ("s1 m2 d4", Mirror::File, 2, State::Missing),
            ("s1 m2 d4", Mirror::File, 3, content(Base::Mirror, &[2])),
            ("d1", Mirror::File, 0, content(Base::Mirror, &[0])),
        ];
        for (text, mirror, at, state) in table {
            assert_eq!(
                resolve(&links(text), mirror, time(at)),
                Ok(state),
                "{text} at {at}"
            );
        }
    }

    #[test]
    fn broken_chains_are_named() {
        for (text, mirror, at, broken) in [
            ("d1 m2", Mirror::File, 1, Broken::NoBase(time(1))),
            ("d1 D2", Mirror::File, 1, Broken::NoBase(time(1))),
            ("d1 d2", Mirror::Absent, 1, Broken::NoBase(time(1))),
            ("d1 d2", Mirror::Dir, 2, Broken::NoBase(time(2))),
            ("d1 s1", Mirror::File, 0, Broken::Duplicate(time(1))),
        ] {
            assert_eq!(
                resolve(&links(text), mirror, time(at)),
                Err(broken),
                "{text} at {at}"
            );
        }
    }

    #[test]
    fn the_recorded_time_is_the_newest_before_or_else_the_oldest() {
        let times = [time(30), time(10), time(20)];
        assert_eq!(recorded(&times, time(25)), Some((time(20), false)));
        assert_eq!(recorded(&times, time(30)), Some((time(30), false)));
        assert_eq!(recorded(&times, time(99)), Some((time(30), false)));
        assert_eq!(recorded(&times, time(9)), Some((time(10), true)));
        assert_eq!(recorded(&[], time(9)), None);
    }
}
