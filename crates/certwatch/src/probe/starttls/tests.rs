//! Each protocol against what servers really say, whole and byte by byte.

use super::*;
use proptest::prelude::*;

/// Plays a dialogue: `script` alternates what the server says with what we must answer.
fn play(protocol: Protocol, script: &[(&[u8], &[u8])], byte_by_byte: bool) -> Step {
    let mut dialogue = Dialogue::new(protocol, "example.org");
    let mut step = dialogue.next();
    for (said, answer) in script {
        let size = if byte_by_byte { 1 } else { said.len().max(1) };
        for part in said.chunks(size) {
            if step == Step::Read {
                dialogue.received(part);
                step = dialogue.next();
            } else {
                // The server's bytes arrived although we had something to say first.
                dialogue.received(part);
            }
        }
        if answer.is_empty() {
            break;
        }
        match step {
            Step::Write(ref bytes) => {
                assert!(
                    bytes.starts_with(answer),
                    "{protocol}: wrote {:?}",
                    String::from_utf8_lossy(bytes)
                );
            }
            other => return other,
        }
        step = dialogue.next();
    }
    step
}

const MYSQL: &[u8] = b"\x3b\0\0\0\x0a8.0.1\0\x01\0\0\0AAAAAAAA\0\xff\xff\x21\x02\0\xff\xc1\x15\0\0\0\0\0\0\0\0\0\0BBBBBBBBBBBB\0plugin\0x";

type Script = &'static [(&'static [u8], &'static [u8])];

const WILLING: &[(Protocol, Script)] = &[
    (Protocol::Smtp, &[
        (b"220-mail.example\r\n220 ESMTP\r\n", b"EHLO "),
        (b"250-mail.example\r\n250-STARTTLS\r\n250 SIZE 1\r\n", b"STARTTLS\r\n"),
        (b"220 go ahead\r\n", b""),
    ]),
    (Protocol::Lmtp, &[
        (b"220 x\r\n", b"LHLO "), (b"250-x\r\n250 starttls\r\n", b"STARTTLS"), (b"220 ok\r\n", b""),
    ]),
    (Protocol::Imap, &[
        (b"* OK ready\r\n", b". CAPABILITY\r\n"),
        (b"* CAPABILITY IMAP4rev1 STARTTLS\r\n. OK done\r\n", b". STARTTLS\r\n"),
        (b". OK begin\r\n", b""),
    ]),
    (Protocol::Pop3, &[(b"+OK hi\r\n", b"STLS\r\n"), (b"+OK begin\r\n", b"")]),
    (Protocol::Ftp, &[(b"220-x\r\n220 y\r\n", b"AUTH TLS\r\n"), (b"234 ok\r\n", b"")]),
    (Protocol::Nntp, &[
        (b"200 hi\r\n", b"CAPABILITIES\r\n"),
        (b"101 list\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n", b"STARTTLS\r\n"),
        (b"382 go\r\n", b""),
    ]),
    (Protocol::Sieve, &[
        (b"\"IMPLEMENTATION\" \"x\"\r\n\"STARTTLS\"\r\nOK\r\n", b"STARTTLS\r\n"),
        (b"OK \"begin\"\r\n", b""),
    ]),
    (Protocol::Irc, &[(b"", b"STARTTLS\r\n"), (b":srv NOTICE * :x\r\n:srv 670 me :go\r\n", b"")]),
    (Protocol::Ldap, &[
        (b"", LDAP_REQUEST),
        (b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00", b""),
    ]),
    (Protocol::Ldap, &[
        (b"", LDAP_REQUEST),
        (b"\x30\x84\x00\x00\x00\x10\x02\x01\x01\x78\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00", b""),
    ]),
    (Protocol::Postgres, &[(b"", POSTGRES_REQUEST), (b"S", b"")]),
    (Protocol::Mysql, &[(MYSQL, b"\x20\0\0\x01\0\x8a\0\0")]),
    (Protocol::XmppClient, &[
        (b"", b"<stream:stream"),
        (b"<?xml version='1.0'?><stream:stream><stream:features><starttls xmlns='x'/></stream:features>",
         b"<starttls "),
        (b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b""),
    ]),
];

const UNWILLING: &[(Protocol, Script)] = &[
    (
        Protocol::Smtp,
        &[(b"220 x\r\n", b"EHLO "), (b"250-x\r\n250 SIZE 1\r\n", b"")],
    ),
    (Protocol::Smtp, &[(b"554 no\r\n", b"")]),
    (Protocol::Imap, &[(b"* PREAUTH hi\r\n", b"")]),
    (Protocol::Imap, &[(b"* BYE\r\n", b"")]),
    (
        Protocol::Imap,
        &[
            (b"* OK\r\n", b". CAP"),
            (b"* CAPABILITY IMAP4rev1\r\n. OK\r\n", b""),
        ],
    ),
    (
        Protocol::Pop3,
        &[(b"+OK\r\n", b"STLS"), (b"-ERR no\r\n", b"")],
    ),
    (
        Protocol::Ftp,
        &[(b"220 x\r\n", b"AUTH"), (b"502 no\r\n", b"")],
    ),
    (
        Protocol::Nntp,
        &[(b"200 x\r\n", b"CAP"), (b"101 x\r\nREADER\r\n.\r\n", b"")],
    ),
    (Protocol::Sieve, &[(b"\"SASL\" \"\"\r\nOK\r\n", b"")]),
    (
        Protocol::Irc,
        &[(b"", b"STARTTLS"), (b":srv 691 me :no\r\n", b"")],
    ),
    (
        Protocol::Irc,
        &[(b"", b"STARTTLS"), (b":srv 421 me STARTTLS :?\r\n", b"")],
    ),
    (
        Protocol::Ldap,
        &[
            (b"", LDAP_REQUEST),
            (
                b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00",
                b"",
            ),
        ],
    ),
    (Protocol::Postgres, &[(b"", POSTGRES_REQUEST), (b"N", b"")]),
    (
        Protocol::Postgres,
        &[(b"", POSTGRES_REQUEST), (b"Eno", b"")],
    ),
    (Protocol::Mysql, &[(b"\x04\0\0\0\xff\x10\x04no", b"")]),
    (
        Protocol::XmppServer,
        &[
            (b"", b"<stream:stream"),
            (b"<stream:features><bind/></stream:features>", b""),
        ],
    ),
    (
        Protocol::XmppClient,
        &[
            (b"", b"<stream"),
            (
                b"<stream:features><starttls/></stream:features>",
                b"<starttls",
            ),
            (b"<failure/>", b""),
        ],
    ),
];

#[test]
fn willing_servers_are_led_to_tls() {
    for (protocol, script) in WILLING {
        for byte_by_byte in [false, true] {
            assert_eq!(
                play(*protocol, script, byte_by_byte),
                Step::Start,
                "{protocol}"
            );
        }
    }
}

#[test]
fn refusals_are_refusals() {
    for (protocol, script) in UNWILLING {
        assert_eq!(
            play(*protocol, script, false),
            Step::Refused,
            "{protocol} {script:?}"
        );
    }
}

#[test]
fn bytes_behind_the_go_ahead_are_an_injection() {
    for (protocol, script) in WILLING.iter().filter(|(p, _)| *p != Protocol::Mysql) {
        let mut script = script.to_vec();
        let (last, _) = script.pop().unwrap();
        let mut with = last.to_vec();
        with.extend_from_slice(b"injected\r\n");
        script.push((&with, b""));
        assert_eq!(
            play(*protocol, &script, false),
            Step::Injected,
            "{protocol}"
        );
    }
}

#[test]
fn a_server_of_another_kind_is_foreign() {
    for protocol in [
        Protocol::Smtp,
        Protocol::Ftp,
        Protocol::Nntp,
        Protocol::Imap,
        Protocol::Pop3,
    ] {
        let step = play(protocol, &[(b"HTTP/1.1 400 Bad Request\r\n", b"")], false);
        assert_eq!(step, Step::Foreign, "{protocol}");
    }
    let endless = vec![b'x'; MAX_BYTES + 1];
    assert_eq!(
        play(Protocol::Smtp, &[(&endless, b"")], false),
        Step::Foreign
    );
}

proptest! {
    #[test]
    fn any_bytes_are_survived(
        which in 0usize..14,
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20),
    ) {
        let all = [
            Protocol::Tls, Protocol::Smtp, Protocol::Lmtp, Protocol::Imap, Protocol::Pop3,
            Protocol::Ftp, Protocol::Ldap, Protocol::XmppClient, Protocol::XmppServer,
            Protocol::Postgres, Protocol::Mysql, Protocol::Nntp, Protocol::Sieve, Protocol::Irc,
        ];
        let mut dialogue = Dialogue::new(all[which], "example.org");
        for part in parts {
            for _ in 0..4 {
                if dialogue.next() == Step::Read {
                    break;
                }
            }
            dialogue.received(&part);
        }
        dialogue.next();
    }
}
