//! A resolver on loopback that says what each test wants.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::thread;

use hickory_proto::rr::Record;
use hickory_proto::rr::rdata::CAA;

use super::*;

/// What the server does with a question: datagrams to send, and what it says over TCP.
type Script = fn(&Message) -> (Vec<Vec<u8>>, Option<Message>);

fn serve(script: Script) -> SocketAddr {
    let (udp, tcp) = sockets();
    let address = udp.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((n, from)) = udp.recv_from(&mut buffer) {
            let query = Message::from_vec(&buffer[..n]).unwrap();
            let (datagrams, _) = script(&query);
            for datagram in datagrams {
                udp.send_to(&datagram, from).unwrap();
            }
        }
    });
    thread::spawn(move || {
        for stream in tcp.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut bytes = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut bytes).unwrap();
            let (_, answer) = script(&Message::from_vec(&bytes).unwrap());
            let bytes = answer.unwrap().to_vec().unwrap();
            let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            stream
                .write_all(&[&length, bytes.as_slice()].concat())
                .unwrap();
        }
    });
    address
}

/// Both kinds on one port, which may be free for one of them alone.
fn sockets() -> (UdpSocket, TcpListener) {
    std::iter::repeat_with(|| UdpSocket::bind("127.0.0.1:0").unwrap())
        .find_map(|udp| {
            let tcp = TcpListener::bind(udp.local_addr().unwrap()).ok()?;
            Some((udp, tcp))
        })
        .unwrap()
}

fn reply(query: &Message, issuers: &[&str]) -> Message {
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.add_queries(query.queries.clone());
    for issuer in issuers {
        let issuer = Name::from_ascii(issuer).unwrap();
        let caa = CAA::new_issue(false, Some(issuer), Vec::new());
        let owner = query.queries[0].name().clone();
        answer.add_answer(Record::from_rdata(owner, 60, RData::CAA(caa)));
    }
    answer
}

fn ask<T>(servers: &[SocketAddr], question: impl AsyncFnOnce(Resolver) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(question(Resolver::new(servers.to_vec())))
}

fn caa(servers: &[SocketAddr], name: &str) -> Result<Caa, DnsError> {
    ask(servers, async |resolver| resolver.caa(name).await)
}

/// Records only where the name has two labels.
fn at_the_top(query: &Message) -> (Vec<Vec<u8>>, Option<Message>) {
    assert!(query.metadata.recursion_desired && query.metadata.authentic_data);
    let answer = if query.queries[0].name().num_labels() == 2 {
        reply(query, &["ca.example."])
    } else {
        let mut none = reply(query, &[]);
        none.metadata.response_code = ResponseCode::NXDomain;
        none
    };
    (vec![answer.to_vec().unwrap()], None)
}

#[test]
fn the_nearest_name_with_records_is_found_by_climbing() {
    let server = serve(at_the_top);
    let found = caa(&[server], "a.b.example.org").unwrap();
    assert_eq!(found.at, "example.org");
    assert_eq!(found.named(false), ["ca.example"]);
    assert_eq!(caa(&[server], "org").unwrap(), Caa::default());
}

#[test]
fn garbage_and_answers_to_other_questions_are_waited_past() {
    let server = serve(|query| {
        let mut foreign = reply(query, &["evil.example."]);
        foreign.metadata.id ^= 1;
        let mut other = reply(query, &["evil.example."]);
        other.queries[0].set_name(Name::from_ascii("other.example.").unwrap());
        let good = reply(query, &["ca.example."]);
        let datagrams = vec![
            vec![0xff; 3],
            foreign.to_vec().unwrap(),
            other.to_vec().unwrap(),
            query.to_vec().unwrap(),
            good.to_vec().unwrap(),
        ];
        (datagrams, None)
    });
    let found = caa(&[server], "example.org").unwrap();
    assert_eq!(found.named(false), ["ca.example"]);
}

#[test]
fn what_is_cut_off_comes_over_tcp() {
    let server = serve(|query| {
        let mut cut = reply(query, &[]);
        cut.metadata.truncation = true;
        let whole = reply(query, &["one.example.", "two.example."]);
        (vec![cut.to_vec().unwrap()], Some(whole))
    });
    let found = caa(&[server], "example.org").unwrap();
    assert_eq!(found.named(false), ["one.example", "two.example"]);
}

#[test]
fn a_server_that_fails_is_passed_over_and_no_answer_is_an_error() {
    let failing = serve(|query| {
        let mut failure = reply(query, &[]);
        failure.metadata.response_code = ResponseCode::ServFail;
        (vec![failure.to_vec().unwrap()], None)
    });
    let good = serve(at_the_top);
    assert!(caa(&[failing, good], "example.org").is_ok());
    let refused = caa(&[failing], "example.org").unwrap_err();
    assert!(matches!(refused, DnsError::Refused(ResponseCode::ServFail)));
    // Nobody listens there any more.
    let gone = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let silent = caa(&[gone], "example.org").unwrap_err();
    assert!(silent.to_string().contains(&gone.to_string()), "{silent}");
    let target = "example.org:25".parse().unwrap();
    let asked = ask(&[failing], async |resolver| resolver.tlsa(&target).await);
    assert!(asked.is_err());
    assert!(matches!(caa(&[good], "a..b"), Err(DnsError::Name(_))));
}

#[test]
fn addresses_have_no_records() {
    let target = "192.0.2.1:443".parse().unwrap();
    let asked = ask(&[], async |resolver| resolver.tlsa(&target).await);
    assert_eq!(asked.unwrap(), []);
}

#[test]
fn resolv_conf_names_servers_and_says_whether_they_are_trusted() {
    let read = |text| Servers::parse(text);
    let servers = read("# made by hand\nnameserver 192.0.2.1\nnameserver ::1 # local\nsearch x\n");
    assert_eq!(
        servers.addresses,
        ["192.0.2.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()]
    );
    assert!(!servers.trusted);
    assert!(read("options edns0 trust-ad\n").trusted);
    assert!(!read("; options trust-ad\n").trusted);
    assert_eq!(read("").addresses, ["127.0.0.1:53".parse().unwrap()]);
}
