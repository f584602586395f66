//! A small browser: pages, forms, links, history, redirects, cookies. Knows nothing of invoices.
//!
//! The transport follows nothing by itself, so every hop passes the [`Policy`] with the step it
//! belongs to, before a byte of it is sent.

pub mod document;
pub mod form;
pub mod jar;

use std::cell::OnceCell;
use std::time::Duration;

use encoding_rs::Encoding;
use jiff::Timestamp;
use url::Url;

use crate::clock::Clock;
use crate::net::{Body, Method, Request, Response, Transport, TransportError, plain_address};
use crate::policy::{Policy, Refused};
use document::Document;
use form::{Form, FormBy};
use jar::Jar;

/// Most redirects in a row; sign-on chains of portals take three to six.
const MOST_HOPS: usize = 15;
/// First wait before a repeated request; doubles each time, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// Longest wait between two tries that is not asked for by the server.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// Tries of one request.
const MOST_TRIES: u32 = 10;
/// Pages larger than this are not parsed as HTML.
const LARGEST_PAGE: usize = 16 << 20;

/// Where in a flow a request belongs.
#[derive(Debug, Clone, Copy)]
pub struct Step<'s> {
    /// Its name, for messages.
    pub name: &'s str,
    /// Hosts it may reach; empty for all of the profile.
    pub hosts: &'s [String],
}

/// How fast and how much.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Shortest time between two requests.
    pub delay: Duration,
    /// Up to this much longer, at random.
    pub jitter: Duration,
    /// Most requests in a run.
    pub max_requests: u64,
    /// When the run must have ended.
    pub deadline: Timestamp,
}

/// A page, or whatever else came.
#[derive(Debug)]
pub struct Page {
    /// Its address.
    pub url: Url,
    /// Status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The bytes.
    pub body: Vec<u8>,
    /// sha256 of the server's certificate.
    pub leaf: Option<String>,
    document: OnceCell<Document>,
}

impl Page {
    fn new(url: Url, response: Response) -> Self {
        let Response {
            status,
            headers,
            body,
            leaf,
        } = response;
        Self {
            url,
            status,
            headers,
            body,
            leaf,
            document: OnceCell::new(),
        }
    }

    /// The first header of a name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether it is HTML, by its header or, without one, by its looks.
    #[must_use]
    pub fn is_html(&self) -> bool {
        match self.header("content-type") {
            Some(kind) => kind.to_ascii_lowercase().contains("html"),
            None => self.body.trim_ascii_start().starts_with(b"<"),
        }
    }

    /// The character set: byte-order mark, header, `<meta>`, else Windows-1252 as browsers do.
    #[must_use]
    pub fn encoding(&self) -> &'static Encoding {
        if let Some((encoding, _)) = Encoding::for_bom(&self.body) {
            return encoding;
        }
        let label_in = |text: &str| {
            let lower = text.to_ascii_lowercase();
            let label = lower.split("charset=").nth(1)?;
            let label = label.trim_start_matches(['"', '\'']);
            let end = label
                .find(['"', '\'', ';', ' ', '>', '/'])
                .unwrap_or(label.len());
            Encoding::for_label(&label.as_bytes()[..end])
        };
        let start = String::from_utf8_lossy(&self.body[..self.body.len().min(1024)]);
        self.header("content-type")
            .and_then(label_in)
            .or_else(|| label_in(&start))
            .unwrap_or_else(|| match std::str::from_utf8(&self.body) {
                Ok(_) => encoding_rs::UTF_8,
                Err(_) => encoding_rs::WINDOWS_1252,
            })
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.encoding().decode(&self.body).0.into_owned()
    }

    /// The page parsed; an empty one if it is not HTML or too large.
    pub fn document(&self) -> &Document {
        self.document.get_or_init(|| {
            if self.is_html() && self.body.len() <= LARGEST_PAGE {
                Document::parse(&self.text())
            } else {
                Document::parse("")
            }
        })
    }

    /// Finds a form.
    #[must_use]
    pub fn form(&self, by: &FormBy) -> Option<Form> {
        Form::find(self.document(), by, &self.url, self.encoding())
    }

    /// Target of the first link whose text contains `text`.
    #[must_use]
    pub fn link(&self, text: &str) -> Option<Url> {
        let document = self.document();
        let base = document.base().and_then(|base| self.url.join(base).ok());
        let base = base.unwrap_or_else(|| self.url.clone());
        document
            .elements()
            .filter(|element| element.value().name() == "a")
            .filter(|link| document::text_of(*link).contains(text))
            .find_map(|link| base.join(link.value().attr("href")?).ok())
    }
}

/// Why a request brought no page.
#[derive(Debug, thiserror::Error)]
pub enum BrowseError {
    /// Not allowed, not sent.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// Going in circles.
    #[error("{step}: more than {MOST_HOPS} redirects")]
    Circle {
        /// The step.
        step: String,
    },
    /// A redirect to nowhere.
    #[error("{step}: a redirect to something that is no address")]
    BadLocation {
        /// The step.
        step: String,
    },
    /// The server kept saying later.
    #[error("{step}: status {status} from {url} after {tries} tries")]
    Busy {
        /// The step.
        step: String,
        /// Last status.
        status: u16,
        /// Address without query.
        url: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The run's requests are used up.
    #[error("the run's {0} requests are used up")]
    Budget(u64),
    /// The run took too long.
    #[error("the run's time is used up")]
    Deadline,
}

/// One request and its answer, for evidence: no header, no body.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Hop {
    /// The step.
    pub step: String,
    /// The method.
    pub method: Method,
    /// Address without query.
    pub url: String,
    /// Status of the answer.
    pub status: u16,
}

/// The browser.
pub struct Browser<'t> {
    transport: Box<dyn Transport + 't>,
    clock: &'t dyn Clock,
    policy: Policy,
    pace: Pace,
    /// Cookies.
    pub jar: Jar,
    /// Headers sent with every request: those of an imported session.
    pub headers: Vec<(String, String)>,
    history: Vec<Page>,
    hops: Vec<Hop>,
    requests: u64,
    last_request: Option<Timestamp>,
}

impl std::fmt::Debug for Browser<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Jar and headers hold secrets.
        out.debug_struct("Browser")
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

impl<'t> Browser<'t> {
    /// A browser with nothing open.
    pub fn new(
        transport: Box<dyn Transport + 't>,
        clock: &'t dyn Clock,
        policy: Policy,
        pace: Pace,
    ) -> Self {
        Self {
            transport,
            clock,
            policy,
            pace,
            jar: Jar::default(),
            headers: Vec::new(),
            history: Vec::new(),
            hops: Vec::new(),
            requests: 0,
            last_request: None,
        }
    }

    /// The open page.
    #[must_use]
    pub fn page(&self) -> Option<&Page> {
        self.history.last()
    }

    /// Goes back one page.
    pub fn back(&mut self) {
        self.history.pop();
    }

    /// Requests sent so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Every request so far, for evidence.
    #[must_use]
    pub fn hops(&self) -> &[Hop] {
        &self.hops
    }

    /// Opens an address.
    pub fn open(&mut self, url: &Url, step: Step<'_>) -> Result<&Page, BrowseError> {
        self.go(Request::new(Method::Get, url.clone()), step, true)
    }

    /// Sends a request and follows where it leads. `repeatable` says that sending it twice does
    /// no harm; a request with a secret is never repeated.
    pub fn go(
        &mut self,
        request: Request,
        step: Step<'_>,
        repeatable: bool,
    ) -> Result<&Page, BrowseError> {
        let secret = request.secret;
        let mut request = request;
        let mut referer = self.page().map(|page| page.url.clone());
        for _ in 0..MOST_HOPS {
            self.policy.check(&request, step.name, step.hosts)?;
            let may_repeat = !request.secret && (repeatable || request.method == Method::Get);
            let response = self.send(&request, step, referer.as_ref(), may_repeat)?;
            let now = self.clock.now();
            for (name, value) in &response.headers {
                if name == "set-cookie" {
                    self.jar.set(value, &request.url, now);
                }
            }
            let next = match (response.status, response.header("location")) {
                (301 | 302 | 303 | 307 | 308, Some(location)) => {
                    let bad = |_parse| BrowseError::BadLocation {
                        step: step.name.to_owned(),
                    };
                    let target = request.url.join(location).map_err(bad)?;
                    Some(redirected(&request, response.status, target, step, secret)?)
                }
                _ => None,
            };
            let from = request.url.clone();
            if let Some(next) = next {
                referer = Some(from);
                request = next;
                continue;
            }
            let page = Page::new(from.clone(), response);
            let refresh = if page.status == 200 {
                page.document().refresh()
            } else {
                None
            };
            let target = refresh.and_then(|target| page.url.join(&target).ok());
            if let Some(target) = target.filter(|target| *target != page.url) {
                referer = Some(from);
                request = Request::new(Method::Get, target);
                continue;
            }
            self.history.push(page);
            // A run keeps what `back` needs, not every invoice it fetched.
            if self.history.len() > 8 {
                self.history.remove(0);
            }
            let last = self.history.len() - 1;
            return Ok(&self.history[last]);
        }
        Err(BrowseError::Circle {
            step: step.name.to_owned(),
        })
    }

    /// Sends one request, again after a wait if it may be and the answer was "later".
    fn send(
        &mut self,
        request: &Request,
        step: Step<'_>,
        referer: Option<&Url>,
        may_repeat: bool,
    ) -> Result<Response, BrowseError> {
        let mut wait = FIRST_WAIT;
        let mut tries = 0;
        loop {
            self.keep_pace()?;
            tries += 1;
            let dressed = self.dress(request, referer);
            self.requests += 1;
            let answer = self.transport.send(&dressed);
            self.last_request = Some(self.clock.now());
            let url = plain_address(&request.url);
            let status = answer.as_ref().map_or(0, |response| response.status);
            self.hops.push(Hop {
                step: step.name.to_owned(),
                method: request.method,
                url: url.clone(),
                status,
            });
            tracing::debug!(step = step.name, method = %request.method, url, status, "answered");
            let asked = match &answer {
                Ok(response) if matches!(response.status, 429 | 502 | 503 | 504) => {
                    retry_after(response, self.clock.now())
                }
                Err(TransportError::Network { .. } | TransportError::Incomplete { .. })
                    if may_repeat =>
                {
                    None
                }
                _ => return Ok(answer?),
            };
            if !may_repeat || tries >= MOST_TRIES {
                let response = answer?;
                let step = step.name.to_owned();
                return Err(BrowseError::Busy {
                    step,
                    status: response.status,
                    url,
                    tries,
                });
            }
            let pause = asked.unwrap_or(wait);
            wait = (wait * 2).min(LONGEST_WAIT);
            let wakes = self.clock.now().checked_add(pause);
            if wakes.map_or(true, |wakes| wakes >= self.pace.deadline) {
                answer?;
                let step = step.name.to_owned();
                return Err(BrowseError::Busy {
                    step,
                    status,
                    url,
                    tries,
                });
            }
            tracing::info!(
                url,
                status,
                seconds = pause.as_secs(),
                "waiting before trying again"
            );
            self.clock.sleep(pause);
        }
    }

    fn keep_pace(&mut self) -> Result<(), BrowseError> {
        if self.requests >= self.pace.max_requests {
            return Err(BrowseError::Budget(self.pace.max_requests));
        }
        if let Some(last) = self.last_request {
            let passed = self.clock.now().duration_since(last).unsigned_abs();
            let wanted = self.pace.delay + self.jitter();
            if let Some(rest) = wanted.checked_sub(passed).filter(|rest| !rest.is_zero()) {
                self.clock.sleep(rest);
            }
        }
        if self.clock.now() >= self.pace.deadline {
            return Err(BrowseError::Deadline);
        }
        Ok(())
    }

    /// Not secret, only uneven: the clock's own noise is enough.
    fn jitter(&self) -> Duration {
        let noise = self.clock.now().subsec_nanosecond().unsigned_abs() % 1000;
        self.pace.jitter * noise / 1000
    }

    fn dress(&self, request: &Request, referer: Option<&Url>) -> Request {
        let mut dressed = request.clone();
        dressed.headers.extend(self.headers.iter().cloned());
        if let Some(cookies) = self.jar.header(&request.url, self.clock.now()) {
            dressed.headers.push(("cookie".to_owned(), cookies));
        }
        if let Some(referer) = referer {
            // Only to the same host, and without the query: tokens live there.
            if referer.host_str() == request.url.host_str() {
                dressed
                    .headers
                    .push(("referer".to_owned(), plain_address(referer)));
            }
        }
        dressed
    }
}

fn redirected(
    request: &Request,
    status: u16,
    target: Url,
    step: Step<'_>,
    secret: bool,
) -> Result<Request, BrowseError> {
    let mut target = target;
    target.set_fragment(None);
    if !matches!(status, 307 | 308) {
        return Ok(Request::new(Method::Get, target));
    }
    // A downgrade is the worse news, so it is told first.
    if secret && target.scheme() == "https" {
        let (step, url) = (step.name.to_owned(), plain_address(&target));
        return Err(Refused::SecretAgain { step, status, url }.into());
    }
    let body = request.body.as_ref().map(|body| Body {
        content_type: body.content_type.clone(),
        bytes: body.bytes.clone(),
    });
    let same_host = target.host_str() == request.url.host_str();
    // Headers of an imported session or a token belong to the host they were made for.
    let headers = if same_host {
        request.headers.clone()
    } else {
        Vec::new()
    };
    Ok(Request {
        method: request.method,
        url: target,
        headers,
        body,
        secret,
    })
}

/// `Retry-After` in seconds or as a date.
fn retry_after(response: &Response, now: Timestamp) -> Option<Duration> {
    let text = response.header("retry-after")?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    at.duration_since(now).try_into().ok()
}

#[cfg(test)]
mod tests;
