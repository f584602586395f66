//! What a line of pppd's output means.
//!
//! pppd with `nodetach` writes its log to standard output, one message a line. The texts are
//! those of 2.4.9 and 2.5; a text that is not known is not an event. Exit codes alone prove
//! little (a joined link that lost its echo exits 16, not 15), so lines are remembered until the
//! process ends and decide together with the code.

/// A message the supervisor acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The line is open and LCP starts.
    Negotiating,
    /// The channel is in our unit: the only sign that a link has joined. In classic mode, where
    /// pppd owns the interface: the interface is usable.
    Attached,
    /// pppd made a unit of its own: key or database differ from what we advertised.
    NewBundle,
    /// pppd goes on without multilink because its database cannot be opened.
    NoDatabase,
    /// Echo requests went unanswered: the line is silent.
    EchoLost,
    /// The carrier dropped or the other end of the line closed.
    Hangup,
    /// The peer renegotiated a joined link: the peer has restarted.
    Renegotiated,
    /// Nobody answered LCP.
    NoPeer,
    /// The peer does not treat this link as part of a bundle.
    PeerRejectsMultilink,
    /// A stale channel occupies the line.
    StaleChannel,
    /// The peer cannot do multilink.
    PeerWithoutMultilink,
    /// pppd closes LCP because it was told to end.
    Leaving,
    /// The peer closed LCP.
    TerminatedByPeer,
    /// The line returns our own frames.
    LoopedBack,
    /// Either side refused the other's credentials.
    AuthFailed,
}

/// Text fragments and what they mean; the first match counts.
const TABLE: &[(&str, Line)] = &[
    ("Link attached to ", Line::Attached),
    ("local  IP address ", Line::Attached),
    ("New bundle ", Line::NewBundle),
    ("couldn't open ppp database", Line::NoDatabase),
    ("disabling multilink", Line::NoDatabase),
    ("No response to ", Line::EchoLost),
    ("Serial link appears to be disconnected", Line::EchoLost),
    ("Modem hangup", Line::Hangup),
    (
        "Couldn't set pass-filter in kernel: Bad file descriptor",
        Line::Renegotiated,
    ),
    ("LCP: timeout sending Config-Requests", Line::NoPeer),
    (
        "unsupported protocol 'Multi-Link' (0x3d)",
        Line::PeerRejectsMultilink,
    ),
    ("Couldn't attach to PPP unit", Line::StaleChannel),
    ("oops, multilink", Line::PeerWithoutMultilink),
    ("Terminating on signal ", Line::Leaving),
    ("LCP terminated by peer", Line::TerminatedByPeer),
    ("Serial line is looped back", Line::LoopedBack),
    ("authentication failed", Line::AuthFailed),
    ("authentication failure", Line::AuthFailed),
    ("failed to authenticate ourselves", Line::AuthFailed),
    ("Starting negotiation on ", Line::Negotiating),
    ("Using interface ", Line::Negotiating),
];

/// Reads one line; `None` if it tells the supervisor nothing.
pub fn parse(line: &[u8]) -> Option<Line> {
    let text = String::from_utf8_lossy(line);
    TABLE
        .iter()
        .find(|(fragment, _)| text.contains(fragment))
        .map(|&(_, line)| line)
}

/// Cuts a byte stream into lines of bounded length.
#[derive(Debug, Default)]
pub struct LineBuffer {
    pending: Vec<u8>,
    skipping: bool,
}

/// Longer lines are cut here; pppd's own stay far below.
const LINE_MAX: usize = 1024;

impl LineBuffer {
    /// Adds what was read and calls `each` with every complete line, without its end.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        for &byte in bytes {
            match byte {
                b'\n' => {
                    if !self.skipping && !self.pending.is_empty() {
                        each(&self.pending);
                    }
                    self.pending.clear();
                    self.skipping = false;
                }
                b'\r' => {}
                _ if self.skipping => {}
                _ => {
                    self.pending.push(byte);
                    if self.pending.len() == LINE_MAX {
                        each(&self.pending);
                        self.pending.clear();
                        self.skipping = true;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_message_of_the_table_is_known() {
        let cases = [
            ("Starting negotiation on /dev/ttyS0", Line::Negotiating),
            ("Using interface ppp3", Line::Negotiating),
            ("Link attached to ppp3", Line::Attached),
            ("local  IP address 10.0.0.2", Line::Attached),
            ("New bundle ppp4 created", Line::NewBundle),
            (
                "Warning: couldn't open ppp database /var/run/pppd2.tdb",
                Line::NoDatabase,
            ),
            ("disabling multilink", Line::NoDatabase),
            ("No response to 2 echo-requests", Line::EchoLost),
            ("Serial link appears to be disconnected.", Line::EchoLost),
            ("Modem hangup", Line::Hangup),
            (
                "Couldn't set pass-filter in kernel: Bad file descriptor",
                Line::Renegotiated,
            ),
            ("LCP: timeout sending Config-Requests", Line::NoPeer),
            (
                "Protocol-Reject for unsupported protocol 'Multi-Link' (0x3d)",
                Line::PeerRejectsMultilink,
            ),
            (
                "Couldn't attach to PPP unit 0: Invalid argument",
                Line::StaleChannel,
            ),
            (
                "oops, multilink but peer did not negotiate it",
                Line::PeerWithoutMultilink,
            ),
            (
                "LCP terminated by peer (peer refused to authenticate)",
                Line::TerminatedByPeer,
            ),
            ("Terminating on signal 15", Line::Leaving),
            ("Serial line is looped back.", Line::LoopedBack),
            ("CHAP authentication failed", Line::AuthFailed),
            ("PAP authentication failed", Line::AuthFailed),
            ("EAP: peer reports authentication failure", Line::AuthFailed),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text}");
        }
        assert_eq!(parse(b"Connect: ppp0 <--> /dev/pts/3"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn lines_may_arrive_in_pieces_and_be_too_long() {
        let mut buffer = LineBuffer::default();
        let mut lines: Vec<String> = Vec::new();
        let mut feed = |bytes: &[u8]| {
            buffer.push(bytes, |line| {
                lines.push(String::from_utf8_lossy(line).into_owned());
            });
        };
        feed(b"Link att");
        feed(b"ached to ppp0\r\nModem hang");
        feed(b"up\n\n");
        feed(&[b'x'; 3000]);
        feed(b"\nafter\n");
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[..2], ["Link attached to ppp0", "Modem hangup"]);
        assert_eq!(lines[2].len(), LINE_MAX);
        assert_eq!(lines[3], "after");
    }

    proptest! {
        #[test]
        fn splitting_does_not_change_the_lines(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..4000),
            cut in 0usize..4000,
        ) {
            let collect = |parts: &[&[u8]]| {
                let mut buffer = LineBuffer::default();
                let mut lines = Vec::new();
                for part in parts {
                    buffer.push(part, |line| lines.push(line.to_vec()));
                }
                lines
            };
            let cut = cut.min(bytes.len());
            prop_assert_eq!(collect(&[&bytes]), collect(&[&bytes[..cut], &bytes[cut..]]));
            let _ = parse(&bytes);
        }
    }
}
