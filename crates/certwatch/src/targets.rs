//! The targets file: one endpoint or address block a line. A bad line is reported with its
//! position and skipped; the others are watched.

use crate::protocol::Protocol;
use crate::schedule::Cidr;
use crate::target::{self, Target};

/// Addresses one line may stand for.
const MAX_BLOCK: u32 = 65_536;

/// A target with its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) target: Target,
    /// Space-separated, from `tag=` and `group=`.
    pub(crate) tags: String,
}

/// A mistake in the file; line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) reason: String,
}

/// Reads `host[:port] [proto] [key=value]...` lines.
pub(crate) fn parse(text: &[u8]) -> (Vec<Entry>, Vec<Mistake>) {
    let mut entries = Vec::new();
    let mut mistakes = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (index, bytes) in text.split(|&b| b == b'\n').enumerate() {
        let mistake = |column, reason| Mistake {
            line: index + 1,
            column,
            reason,
        };
        let line = match std::str::from_utf8(bytes) {
            Ok(line) => line,
            Err(error) => {
                mistakes.push(mistake(error.valid_up_to() + 1, "not UTF-8".to_owned()));
                continue;
            }
        };
        match parse_line(line) {
            Ok(found) => {
                for entry in found {
                    if seen.insert(entry.target.clone()) {
                        entries.push(entry);
                    }
                }
            }
            Err((offset, reason)) => {
                let column = line
                    .get(..offset)
                    .map_or(offset, |before| before.chars().count())
                    + 1;
                mistakes.push(mistake(column, reason));
            }
        }
    }
    (entries, mistakes)
}

fn parse_line(line: &str) -> Result<Vec<Entry>, (usize, String)> {
    let line = line.split('#').next().unwrap_or("");
    let words: Vec<(usize, &str)> = line
        .split_whitespace()
        .map(|word| (word.as_ptr() as usize - line.as_ptr() as usize, word))
        .collect();
    let Some(((start, first), rest)) = words.split_first() else {
        return Ok(Vec::new());
    };
    let mut protocol = None;
    let mut sni = None;
    let mut tags = Vec::new();
    let mut port = None;
    for (offset, word) in rest {
        let Some((key, value)) = word.split_once('=') else {
            protocol = Some(
                word.parse::<Protocol>()
                    .map_err(|reason| (*offset, reason))?,
            );
            continue;
        };
        let at = offset + key.len() + 1;
        match key {
            "sni" => sni = Some(target::host(value).map_err(|reason| (at, reason))?),
            "port" => {
                let number = value.parse::<u16>().ok().filter(|port| *port > 0);
                port = Some(number.ok_or_else(|| (at, format!("`{value}` is no port")))?);
            }
            "tag" | "tags" => tags.extend(value.split(',').map(str::to_owned)),
            _ => return Err((*offset, format!("`{key}` is no key (sni, port, tag)"))),
        }
    }
    let finish = |mut target: Target| {
        if let Some(protocol) = protocol {
            let implied = target.protocol == Protocol::Tls && target.port == 443;
            if implied && !first.contains(":443") {
                target.port = protocol.default_port();
            }
            target.protocol = protocol;
        }
        if let Some(port) = port {
            target.port = port;
            target.protocol = protocol.unwrap_or_else(|| Protocol::for_port(port));
        }
        target.sni.clone_from(&sni);
        Entry {
            target,
            tags: tags.join(" "),
        }
    };
    let is_block = first
        .rsplit_once('/')
        .is_some_and(|(_, bits)| !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit()));
    if is_block {
        let block: Cidr = first.parse().map_err(|reason| (*start, reason))?;
        let all = block.addresses(MAX_BLOCK).ok_or_else(|| {
            (
                *start,
                format!("`{first}` has more than {MAX_BLOCK} addresses"),
            )
        })?;
        let target = |address: std::net::IpAddr| Target {
            host: address.to_string(),
            port: 443,
            protocol: Protocol::Tls,
            sni: None,
        };
        return Ok(all
            .into_iter()
            .map(|address| finish(target(address)))
            .collect());
    }
    let target = first
        .parse::<Target>()
        .map_err(|error| (start + error.offset, error.reason))?;
    Ok(vec![finish(target)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn good_lines_survive_bad_ones() {
        let text = "# mail\nmail.example smtp tag=mail\n  example.org:0\nwww.example\n\n\
                    www.example # twice\n192.0.2.0/31 sni=x.example port=8443\nx.example color=red\n\
                    y.example gopher\n";
        let (entries, mistakes) = parse(text.as_bytes());
        let shown: Vec<String> = entries.iter().map(|e| e.target.to_string()).collect();
        assert_eq!(
            shown,
            [
                "mail.example:25",
                "www.example:443",
                "192.0.2.0:8443",
                "192.0.2.1:8443"
            ]
        );
        assert_eq!(entries[0].tags, "mail");
        assert_eq!(entries[2].target.name(), "x.example");
        let places: Vec<(usize, usize)> = mistakes.iter().map(|m| (m.line, m.column)).collect();
        assert_eq!(places, [(3, 15), (8, 11), (9, 11)]);
        assert_eq!(mistakes[1].reason, "`color` is no key (sni, port, tag)");
    }

    #[test]
    fn bytes_that_are_no_text_have_a_position_too() {
        let (entries, mistakes) = parse(b"a.example\nb\xff.example\n");
        assert_eq!(entries.len(), 1);
        assert_eq!((mistakes[0].line, mistakes[0].column), (2, 2));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(text in prop::collection::vec(any::<u8>(), 0..300)) {
            // Blocks may legitimately grow large; keep the input from spelling one.
            let text: Vec<u8> = text.into_iter().filter(|b| *b != b'/').collect();
            parse(&text);
        }
    }
}
