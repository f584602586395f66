//! The portal: the classic flow with forms, and the JSON flow, over the same invoices.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Cursor, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::ToSpan as _;
use jiff::civil::Date;

use crate::certificates::{Authority, Flaw};
use crate::http::{Answer, Request, Server, Spoil};
use crate::invoice::{Invoice, Recipe, decimal, make};
use crate::variant::{Variant, pdf, xml};

/// The user that is let in.
pub const USER: &str = "shipper";
/// Their password: every character that some encoding changes.
pub const PASSWORD: &str = "p@ss w\"o/rd%";
/// What the page of [`Fault::Echo`] shows: [`PASSWORD`] raw, URL-encoded both ways, escaped for
/// JSON and HTML, and in base64 at each alignment (behind three bytes, one and eight).
pub const ECHO: &str = r#"<p>raw p@ss w"o/rd% form p%40ss+w%22o%2Frd%25 query p%40ss%20w%22o%2Frd%25
html p@ss w&quot;o/rd% base64 YWJjcEBzcyB3Im8vcmQleHl6 dXBAc3MgdyJvL3JkJXh5eg== c2hpcHBlcjpwQHNzIHciby9yZCV4eXo=</p>
<script>var typed = {"password": "p@ss w\"o/rd%"};</script>"#;
/// Rows of a page.
const PAGE: usize = 25;
/// Rows of a search at most.
const CAP: usize = 100;

/// What the portal does wrong on demand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Downloads end in the middle.
    ShortBody,
    /// Downloads end without length or close_notify.
    NoEnd,
    /// Downloads are the sign-in page with status 200.
    HtmlForFile,
    /// CSV files end in the middle of a row.
    CutRow,
    /// Downloads are ZIP archives, good ones.
    Zip,
    /// Downloads are ZIP archives with an entry that points outside.
    ZipTraversal,
    /// Downloads are ZIP archives that unpack to far more than they should.
    ZipBomb,
    /// XML downloads declare entities.
    EntityBomb,
    /// The list's amount of the first invoice is a cent off.
    ListCent,
    /// The first row of every CSV is a cent off.
    CsvCent,
    /// The sign-in form points to http.
    HttpAction,
    /// The sign-in form points to another host.
    ForeignAction,
    /// The sign-in answers 307 to another host.
    Login307,
    /// The sign-in answers 302 to http.
    LoginDowngrade,
    /// The sign-in leads to a page that wants a person.
    Challenge,
    /// The search form's field has another name and the table another id.
    Changed,
    /// As `Changed`, and the page shows the password in every encoding that pages use.
    Echo,
    /// Downloads are a page that says nothing known.
    OddPage,
    /// The first charge of every XML is a cent off.
    XmlCent,
    /// The sign-in answers 503.
    LoginBusy,
    /// Downloads answer 503, always.
    Down,
    /// The first download answers 429 with Retry-After 3.
    Busy,
}

#[derive(Debug, Default)]
struct State {
    fault: Fault,
    delay: Duration,
    tokens: u64,
    valid_token: String,
    sessions: Vec<String>,
    handed_out: Vec<String>,
    searches: BTreeMap<String, (Date, Date)>,
    codes_wanted: bool,
    busy: u64,
    log: Vec<Request>,
    revision: u64,
}

/// The portal, listening.
#[derive(Debug)]
pub struct Portal {
    /// The authority to be told to the client.
    pub authority: Authority,
    /// `www.portal.test`
    pub www: Server,
    /// `apps.portal.test`
    pub apps: Server,
    /// What it hands out, oldest first.
    pub invoices: Arc<Vec<Invoice>>,
    state: Arc<Mutex<State>>,
}

/// `count` weekly invoices of an account, the last one dated `last`.
#[must_use]
pub fn weekly(count: usize, last: Date, shipments: usize) -> Vec<Invoice> {
    (0..count)
        .map(|index| {
            let back = i64::try_from(count - 1 - index).unwrap_or_default() * 7;
            make(&Recipe {
                seed: index as u64 + 1,
                account: "A1B2C3".to_owned(),
                currency: "USD".to_owned(),
                date: last.saturating_sub(back.days()),
                shipments,
            })
        })
        .collect()
}

impl Portal {
    /// Starts both hosts.
    pub fn start(invoices: Vec<Invoice>) -> io::Result<Self> {
        Self::start_under(Authority::new("Portal Test Authority"), invoices)
    }

    /// Starts both hosts with certificates of `authority`.
    pub fn start_under(authority: Authority, invoices: Vec<Invoice>) -> io::Result<Self> {
        let identity = authority.serve(Flaw::None);
        let state = Arc::<Mutex<State>>::default();
        let invoices = Arc::new(invoices);
        let start = |answer: fn(&Request, &mut State, &[Invoice]) -> Answer| {
            let (state, invoices) = (Arc::clone(&state), Arc::clone(&invoices));
            Server::start(Some(&identity), move |request| {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                state.log.push(request.clone());
                let delay = state.delay;
                let answer = answer(&request, &mut state, &invoices);
                drop(state);
                std::thread::sleep(delay);
                answer
            })
        };
        Ok(Self {
            www: start(www)?,
            apps: start(apps)?,
            authority,
            invoices,
            state,
        })
    }

    /// `--resolve` values for both hosts.
    #[must_use]
    pub fn resolve(&self) -> [String; 2] {
        [
            format!("www.portal.test:443:{}", self.www.address),
            format!("apps.portal.test:443:{}", self.apps.address),
        ]
    }

    /// Sets what goes wrong from now on.
    pub fn set(&self, fault: Fault) {
        self.state().fault = fault;
    }

    /// Makes every answer wait.
    pub fn slow_down(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Asks for a one-time code after the password.
    pub fn want_codes(&self) {
        self.state().codes_wanted = true;
    }

    /// Hands out other content for the same invoices from now on.
    pub fn restate(&self) {
        self.state().revision += 1;
    }

    /// Ends all sessions.
    pub fn sign_all_out(&self) {
        self.state().sessions.clear();
    }

    /// Every request so far.
    #[must_use]
    pub fn log(&self) -> Vec<Request> {
        self.state().log.clone()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.state().log.clear();
    }

    /// How many requests a test matches.
    #[must_use]
    pub fn count(&self, test: impl Fn(&Request) -> bool) -> usize {
        self.state()
            .log
            .iter()
            .filter(|request| test(request))
            .count()
    }

    /// Sign-ins posted.
    #[must_use]
    pub fn logins(&self) -> usize {
        self.count(|r| r.method == "POST" && r.path == "/one-to-one/login")
    }

    /// Documents handed out.
    #[must_use]
    pub fn downloads(&self) -> usize {
        self.count(|r| {
            r.path == "/ebilling/invoice/download.do" || r.path == "/api/v1/bc/invoice/download"
        })
    }

    /// Lists handed out.
    #[must_use]
    pub fn lists(&self) -> usize {
        self.count(|r| {
            r.path == "/ebilling/invoice/search.do" || r.path == "/api/v1/bc/invoice/list"
        })
    }

    /// A session cookie as a signed-in browser has it.
    #[must_use]
    pub fn open_session(&self) -> String {
        let mut state = self.state();
        new_session(&mut state)
    }

    /// Every session cookie and page token handed out so far.
    #[must_use]
    pub fn handed_out(&self) -> Vec<String> {
        self.state().handed_out.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn new_session(state: &mut State) -> String {
    state.tokens += 1;
    let session = format!("session-{:08x}", state.tokens.wrapping_mul(0x9e37_79b9));
    state.sessions.push(session.clone());
    state.handed_out.push(session.clone());
    session
}

/// A token that is good for one page only.
fn new_token(state: &mut State) -> String {
    state.tokens += 1;
    state.valid_token = format!("token-{:08x}", state.tokens.wrapping_mul(0x85eb_ca6b));
    state.handed_out.push(state.valid_token.clone());
    state.valid_token.clone()
}

fn signed_in(request: &Request, state: &State) -> bool {
    request.headers.get("cookie").is_some_and(|cookies| {
        state
            .sessions
            .iter()
            .any(|session| cookies.contains(&format!("JSESSIONID={session}")))
    })
}

fn login_page(state: &mut State, error: &str) -> Answer {
    let action = match state.fault {
        Fault::HttpAction => "http://www.portal.test/one-to-one/login",
        Fault::ForeignAction => "https://www.elsewhere.test/one-to-one/login",
        _ => "/one-to-one/login",
    };
    let token = new_token(state);
    Answer::page(&format!(
        "<script>var words = 'captcha verification code';</script>{error}
         <form method=post action='{action}'><input type=hidden name=csrfToken value='{token}'>
         <input name=uid><input type=password name=password>
         <input type=submit name=next value='Log In'></form>"
    ))
}

fn www(request: &Request, state: &mut State, _invoices: &[Invoice]) -> Answer {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/one-to-one/login") => login_page(state, ""),
        ("POST", "/one-to-one/login") => {
            match state.fault {
                Fault::Login307 => {
                    return Answer::redirect(307, "https://apps.portal.test/one-to-one/login");
                }
                Fault::LoginDowngrade => {
                    return Answer::redirect(302, "http://apps.portal.test/ebilling/sso.do");
                }
                Fault::LoginBusy => return Answer::page("try again later").status(503),
                Fault::Challenge => {
                    return Answer::page(
                        "<p>Enter the verification code we sent to your phone.</p>",
                    );
                }
                _ => {}
            }
            let field = |name: &str| request.fields.get(name).map(String::as_str);
            if field("csrfToken") != Some(state.valid_token.as_str()) {
                return Answer::page("stale token").status(400);
            }
            if field("uid") != Some(USER) || field("password") != Some(PASSWORD) {
                return login_page(state, "<p id=loginError>User ID or password is wrong.</p>");
            }
            if state.codes_wanted {
                return code_page(state, "");
            }
            signed_on(state)
        }
        ("POST", "/one-to-one/code") => {
            let given = request.fields.get("code").cloned().unwrap_or_default();
            state.busy += 1;
            // The portal's clock is a step off: the first code is always refused.
            if given.len() != 6 || state.busy == 1 {
                return code_page(state, "<p id=codeError>That code is wrong.</p>");
            }
            signed_on(state)
        }
        _ => Answer::page("not found").status(404),
    }
}

fn code_page(state: &mut State, error: &str) -> Answer {
    let token = new_token(state);
    Answer::page(&format!(
        "{error}<form id=codeForm method=post action=/one-to-one/code><input type=hidden name=csrfToken value='{token}'><input name=code><button>Continue</button></form>"
    ))
}

fn signed_on(state: &mut State) -> Answer {
    let session = new_session(state);
    Answer::redirect(
        302,
        "https://apps.portal.test/ebilling/sso.do?appid=EBILL&loc=en_US",
    )
    .with(
        "set-cookie",
        &format!("JSESSIONID={session}; Path=/; Domain=portal.test; Secure; HttpOnly"),
    )
}

fn apps(request: &Request, state: &mut State, invoices: &[Invoice]) -> Answer {
    if !signed_in(request, state) {
        return if request.path.starts_with("/api/") {
            Answer::new("application/json", "{\"error\":\"signed out\"}").status(401)
        } else {
            Answer::redirect(302, "https://www.portal.test/one-to-one/login")
        };
    }
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/ebilling/sso.do") => Answer::page(
            "<meta http-equiv=refresh content='0; url=/ebilling/home.do'><p>One moment.</p>",
        ),
        ("GET", "/ebilling/home.do") => Answer::page("<h1 id=home>Billing</h1>"),
        ("GET", "/ebilling/invoice/archiveHistorySearch.action") => search_page(state),
        ("POST", "/ebilling/invoice/search.do") => search(request, state, invoices),
        ("POST", "/ebilling/invoice/page.do") => {
            let start = request
                .fields
                .get("start")
                .and_then(|n| n.parse().ok())
                .unwrap_or(0);
            table(request, state, invoices, start)
        }
        ("GET", "/ebilling/invoice/viewInvoice.do") => {
            let number = request.fields.get("invNumber").cloned().unwrap_or_default();
            let token = new_token(state);
            // The dialog sits over the page; its form is what the button in it submits.
            Answer::page(&format!(
                "<div class=modal><a class=close_btn_thick href='#'>x</a>
                 <form id=viewAndDownloadInvoiceDialog method=post action=/ebilling/invoice/download.do>
                 <input type=hidden name=struts.token value='{token}'>
                 <input type=hidden name=invNumber value='{number}'>
                 <input type=radio name=format value=csv checked><input type=radio name=format value=xml>
                 <input type=radio name=format value=pdf>
                 <input type=submit id=viewAndDownloadInvoiceDialogLiteCsvSubmitBtn value=Download></form></div>"
            ))
        }
        ("POST", "/ebilling/invoice/download.do") => {
            if request.fields.get("struts.token") != Some(&state.valid_token) {
                return Answer::page("stale token").status(400);
            }
            let number = request.fields.get("invNumber").cloned().unwrap_or_default();
            let format = request.fields.get("format").cloned().unwrap_or_default();
            download(&number, &format, state, invoices)
        }
        ("GET", "/api/v1/bc/invoice/literals") => {
            let token = new_token(state);
            Answer::new("application/json", "{}").with("x-csrf-token", &token)
        }
        ("POST", "/api/v1/bc/invoice/list" | "/api/v1/bc/invoice/download")
            if request.headers.get("x-csrf-token") != Some(&state.valid_token) =>
        {
            Answer::new("application/json", "{\"error\":\"no token\"}").status(401)
        }
        ("POST", "/api/v1/bc/invoice/list") => {
            Answer::new("application/json", json_list(state, invoices))
        }
        ("POST", "/api/v1/bc/invoice/download") => {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            let text = |name: &str| {
                let start = body.split(&format!("\"{name}\":\"")).nth(1)?;
                start.split('"').next().map(str::to_owned)
            };
            if text("invoiceType").as_deref() != Some("EXPORT") {
                return Answer::new("application/json", "{\"error\":\"Invoice not found\"}");
            }
            let format = request.fields.get("fileType").cloned().unwrap_or_default();
            download(
                &text("invoiceNumber").unwrap_or_default(),
                &format,
                state,
                invoices,
            )
        }
        _ => Answer::page("not found").status(404),
    }
}

fn search_page(state: &mut State) -> Answer {
    let token = new_token(state);
    let from = match state.fault {
        Fault::Changed | Fault::Echo => "dateFrom",
        _ => "fromStatementDate",
    };
    let echo = if state.fault == Fault::Echo { ECHO } else { "" };
    // The form opens inside the table: parsers leave it empty, browsers do not.
    Answer::page(&format!(
        "{echo}<table><form name=searchForm method=post action=/ebilling/invoice/search.do>
         <input type=hidden name=struts.token value='{token}'>
         <tr><td><input name={from}></td><td><input name=toStatementDate></td>
         <td><select name=invStatus><option value=all selected>All<option value=open>Open</select>
         <select name=acctNumber><option value=''>All accounts</select></td>
         <td><input type=submit id=archive value=Search></td></tr></form></table>"
    ))
}

fn search(request: &Request, state: &mut State, invoices: &[Invoice]) -> Answer {
    if request.fields.get("struts.token") != Some(&state.valid_token) {
        return Answer::page("stale token").status(400);
    }
    let from = if state.fault == Fault::Changed {
        "dateFrom"
    } else {
        "fromStatementDate"
    };
    let day = |name: &str| {
        let text = request.fields.get(name)?;
        let parts: Vec<i16> = text
            .split('/')
            .filter_map(|part| part.parse().ok())
            .collect();
        let [month, day, year] = parts[..] else {
            return None;
        };
        Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
    };
    let (Some(since), Some(until)) = (day(from), day("toStatementDate")) else {
        return Answer::page("<p>Enter dates as MM/DD/YYYY.</p>").status(400);
    };
    let cookie = request.headers.get("cookie").cloned().unwrap_or_default();
    state.searches.insert(cookie, (since, until));
    table(request, state, invoices, 0)
}

fn table(request: &Request, state: &mut State, invoices: &[Invoice], start: usize) -> Answer {
    let cookie = request.headers.get("cookie").cloned().unwrap_or_default();
    let Some(&(since, until)) = state.searches.get(&cookie) else {
        return Answer::page("no search").status(400);
    };
    let found: Vec<&Invoice> = invoices
        .iter()
        .rev()
        .filter(|i| (since..=until).contains(&i.date))
        .take(CAP)
        .collect();
    if found.is_empty() {
        return Answer::page("<p>No Information to Display</p>");
    }
    let id = if state.fault == Fault::Changed {
        "resultGrid"
    } else {
        "invoiceTable"
    };
    let mut text = format!("<p>{} of {CAP}</p><table id={id}><tbody>", found.len());
    for (index, invoice) in found.iter().enumerate().skip(start).take(PAGE) {
        let off = i64::from(state.fault == Fault::ListCent && index == 0);
        let minor = invoice.amount + off;
        let shown = decimal(minor.abs(), invoice.exponent);
        let shown = if minor < 0 {
            format!("(${shown})")
        } else {
            format!("${shown}")
        };
        let date = invoice.date;
        let _ = write!(
            text,
            "<tr><td class=acctNumber>{}</td><td class=invNumber>{}</td><td class=statementDate>{:02}/{:02}/{:04}</td><td class=amount>{shown}</td></tr>",
            invoice.account,
            invoice.number,
            date.month(),
            date.day(),
            date.year()
        );
    }
    text.push_str("</tbody></table>");
    if start + PAGE < found.len() {
        let _ = write!(
            text,
            "<form name=tr1_pagingForm1 method=post action=/ebilling/invoice/page.do><input type=hidden name=start value={}><input type=hidden name=pagingAction value=''></form>",
            start + PAGE
        );
    }
    Answer::page(&text)
}

fn json_list(state: &State, invoices: &[Invoice]) -> String {
    let mut rows = Vec::new();
    for (index, invoice) in invoices.iter().enumerate() {
        let off = i64::from(state.fault == Fault::ListCent && index == 0);
        rows.push(format!(
            "{{\"id\":{index},\"accountNumber\":\"{}\",\"invoiceNumber\":\"{}\",\"invoiceDate\":\"{}T00:00:00.000Z\",\"invoiceAmount\":{},\"invoiceType\":\"100\",\"businessUnit\":\"EBS\",\"countryCode\":\"US\",\"recordType\":\"ACCOUNT\",\"planNumber\":null,\"planInvoiceNumber\":null}}",
            invoice.account,
            invoice.number,
            invoice.date,
            decimal(invoice.amount + off, invoice.exponent)
        ));
    }
    format!("[{}]", rows.join(","))
}

fn download(number: &str, format: &str, state: &mut State, invoices: &[Invoice]) -> Answer {
    let Some(invoice) = invoices.iter().find(|invoice| invoice.number == number) else {
        return Answer::new("application/json", "{\"error\":\"Invoice not found\"}");
    };
    if state.fault == Fault::Down {
        return Answer::page("down for maintenance").status(503);
    }
    if state.fault == Fault::Busy && state.busy == 0 {
        state.busy = 1;
        return Answer::page("slow down")
            .status(429)
            .with("retry-after", "3");
    }
    let mut copy;
    let mut invoice = invoice;
    if state.revision > 0 {
        copy = invoice.clone();
        copy.rows[0].retain(|(column, _)| *column != 66);
        copy.rows[0].push((66, format!("Restated {}", state.revision)));
        copy.rows[0].sort_by_key(|(column, _)| *column);
        invoice = &copy;
    }
    let cent = match state.fault {
        Fault::CsvCent => "csv",
        Fault::XmlCent => "xml",
        _ => "",
    };
    if cent == format {
        copy = invoice.clone();
        for (column, value) in &mut copy.rows[0] {
            if *column == 52 {
                let last = value.pop().unwrap_or('0');
                value.push(if last == '9' {
                    '8'
                } else {
                    char::from(last as u8 + 1)
                });
            }
        }
        invoice = &copy;
    }
    let (kind, mut body) = match format {
        "csv" => ("text/csv", Variant::default().csv(invoice)),
        "xml" => ("application/xml", xml(invoice).into_bytes()),
        _ => ("application/pdf", pdf(invoice)),
    };
    let date = invoice.date;
    let name = format!(
        "Invoice_{number}_{:02}{:02}{:02}.{format}",
        date.month(),
        date.day(),
        date.year() % 100
    );
    match state.fault {
        Fault::HtmlForFile => return login_page(state, ""),
        Fault::OddPage => return Answer::page("<p>Your document is being prepared.</p>"),
        Fault::CutRow if format == "csv" => body.truncate(body.len() - 100),
        Fault::EntityBomb if format == "xml" => {
            body = b"<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><x>&b;</x>"
                .to_vec();
        }
        Fault::Zip => body = zipped(&[(&name, &body)]),
        Fault::ZipTraversal => {
            body = zipped(&[(&name, &body), ("../../etc/cron.d/x", b"* * * * *")]);
        }
        Fault::ZipBomb => body = zipped(&[(&name, &vec![b'0'; 64 << 20])]),
        _ => {}
    }
    let mut answer = Answer::new(kind, body);
    answer.spoil = match state.fault {
        Fault::ShortBody => Spoil::ShortBody,
        Fault::NoEnd => Spoil::NoEnd,
        _ => Spoil::No,
    };
    answer
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .expect("in memory");
        writer.write_all(content).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

/// The profile of the classic flow.
pub const CLASSIC: &str = include_str!("../profiles/portal-classic.toml");
/// The profile of the JSON flow.
pub const JSON: &str = include_str!("../profiles/portal-json.toml");
