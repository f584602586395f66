//! Walks through a portal as its profile describes it: sign in, list, download.
//!
//! The profile says what; this module knows the order, what a page's state means, and that a
//! sign-in is posted once.

mod list;
mod login;

use std::collections::BTreeMap;

use jiff::civil::Date;
use url::Url;

use crate::clock::Clock;
use crate::document::Looks;
use crate::error::Error;
use crate::ledger::Format;
use crate::mech::{Browser, Page, Step};
use crate::net::{Request, plain_address};
use crate::profile::{Download, FormFill, Profile};
use crate::redact::Redactor;
use crate::template::{self, Values};
use crate::totp::Totp;

/// Gives what signing in needs, when it is needed and not before.
pub trait Credentials {
    /// The user name.
    fn username(&mut self) -> Result<String, Error>;
    /// The password.
    fn password(&mut self) -> Result<String, Error>;
    /// The key of the second factor, if the user gave one.
    fn totp(&mut self) -> Result<Option<Totp>, Error>;
}

/// An invoice of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub number: String,
    /// Its date.
    pub date: Date,
    /// Shipper number, if the list has it.
    pub account: Option<String>,
    /// Its amount as it stood there.
    pub amount: String,
    /// Its currency.
    pub currency: String,
    /// Due date, if the list has it.
    pub due: Option<Date>,
    /// All fields of a JSON row, as text.
    pub fields: BTreeMap<String, String>,
}

/// A file that came.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Address without query.
    pub url: String,
    /// sha256 of the server's certificate.
    pub leaf: Option<String>,
}

/// A walk through one portal for one account.
pub struct Flow<'a> {
    /// The browser.
    pub browser: Browser<'a>,
    /// Skeletons of good pages by step.
    pub skeletons: BTreeMap<String, String>,
    /// Sign-ins posted.
    pub logins: u64,
    profile: &'a Profile,
    account: &'a str,
    credentials: &'a mut dyn Credentials,
    clock: &'a dyn Clock,
    redactor: Redactor,
    imported: bool,
    has_token: bool,
}

impl std::fmt::Debug for Flow<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Flow")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// What a page turned out to be.
enum State {
    Good,
    SignedOut,
}

impl<'a> Flow<'a> {
    /// A walk with a browser that may hold a session already.
    pub fn new(
        browser: Browser<'a>,
        profile: &'a Profile,
        account: &'a str,
        credentials: &'a mut dyn Credentials,
        clock: &'a dyn Clock,
        redactor: Redactor,
        imported: bool,
    ) -> Self {
        Self {
            browser,
            skeletons: BTreeMap::new(),
            logins: 0,
            profile,
            account,
            credentials,
            clock,
            redactor,
            imported,
            has_token: false,
        }
    }

    /// Downloads one invoice in one format: whatever came that is not a page or an error.
    pub fn download(&mut self, row: &Row, format: Format) -> Result<Fetched, Error> {
        let profile = self.profile;
        let Some(download) = profile.downloads.get(&format) else {
            return Err(Error::Usage(format!(
                "profile {} has no [download.{}]",
                profile.name,
                format.name()
            )));
        };
        let name = format!("download {}", format.name());
        let step = Step {
            name: &name,
            hosts: &[],
        };
        for attempt in 0..2 {
            self.fetch_token()?;
            self.ask_for(download, row, step)?;
            let Some(page) = self.browser.page() else {
                continue;
            };
            let file = page.status == 200
                && !matches!(
                    Looks::at(&page.body),
                    Looks::Page | Looks::Json | Looks::Empty
                );
            if file {
                return Ok(Fetched {
                    bytes: page.body.clone(),
                    url: plain_address(&page.url),
                    leaf: page.leaf.clone(),
                });
            }
            match self.state()? {
                State::SignedOut if attempt == 0 => self.sign_in()?,
                State::SignedOut => return Err(self.person("signed out while downloading")),
                State::Good => break,
            }
        }
        let what = self.browser.page().map_or("an answer".to_owned(), |page| {
            format!(
                "a {} file (status {}, got {})",
                format.name(),
                page.status,
                Looks::at(&page.body).words()
            )
        });
        Err(Self::changed(&name, what))
    }

    fn ask_for(&mut self, download: &Download, row: &Row, step: Step<'_>) -> Result<(), Error> {
        let values = self.values(row);
        let escape = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let address = Self::filled(download.url.fill(&values, escape), step.name)?;
        let url = Url::parse(&address.unwrap_or_default()).map_err(|_parse| {
            Self::changed(step.name, "an address made from the row".to_owned())
        })?;
        if let Some(form) = &download.form {
            self.browser.open(&url, step)?;
            match self.state()? {
                State::Good => {
                    self.submit(form, &values, step)?;
                }
                // The caller looks at the page and signs in.
                State::SignedOut => {}
            }
            return Ok(());
        }
        let request = match &download.json {
            Some(template) => {
                let body = Self::filled(template::json(template, &values), step.name)?;
                Request::post(url, "application/json", body.to_string().into_bytes())
            }
            None => Request::new(download.method, url),
        };
        self.browser.go(request, step, true)?;
        Ok(())
    }

    /// Fills and submits a form of the open page.
    fn submit(&mut self, fill: &FormFill, values: &Values, step: Step<'_>) -> Result<(), Error> {
        let form = self.browser.page().and_then(|page| page.form(&fill.by));
        let mut form = form.ok_or_else(|| Self::changed(step.name, fill.by.to_string()))?;
        for (field, template) in &fill.fill {
            let value = Self::filled(template.fill(values, str::to_owned), step.name)?;
            form.fill(field, &value.unwrap_or_default())
                .map_err(|error| Self::changed(step.name, error.to_string()))?;
        }
        let mut request = form
            .submit(fill.submit.as_deref())
            .map_err(|error| Self::changed(step.name, error.to_string()))?;
        request.secret = fill.has_secret();
        let repeatable = !request.secret;
        self.browser.go(request, step, repeatable)?;
        Ok(())
    }

    fn fetch_token(&mut self) -> Result<(), Error> {
        let profile = self.profile;
        let Some(token) = profile.token.as_ref().filter(|_| !self.has_token) else {
            return Ok(());
        };
        let step = Step {
            name: "token",
            hosts: &[],
        };
        let page = self.browser.open(&token.url, step)?;
        let value = page.header(&token.header).map(str::to_owned);
        if let Some(value) = value {
            self.redactor.learn(&value);
            self.browser
                .headers
                .retain(|(name, _)| *name != token.header);
            self.browser.headers.push((token.header.clone(), value));
            self.has_token = true;
            return Ok(());
        }
        match self.state()? {
            // The list's own answer decides; without a session there is no token.
            State::SignedOut => Ok(()),
            State::Good => Err(Self::changed("token", format!("header {}", token.header))),
        }
    }

    /// What the open page is: good, for people who are signed out, or a challenge.
    fn state(&self) -> Result<State, Error> {
        let Some(page) = self.browser.page() else {
            return Ok(State::Good);
        };
        // Signed out first: the sign-in page of a walled portal shows its captcha too.
        if let Some(sign) = self.profile.signed_out.on(page) {
            tracing::debug!(sign, "signed out");
            return Ok(State::SignedOut);
        }
        self.no_challenge()?;
        Ok(State::Good)
    }

    fn no_challenge(&self) -> Result<(), Error> {
        let page: Option<&Page> = self.browser.page();
        match page.and_then(|page| self.profile.challenge.on(page)) {
            Some(sign) => Err(self.person(&format!("the portal shows {sign}"))),
            None => Ok(()),
        }
    }

    fn shows(&self, markers: &crate::profile::Markers) -> bool {
        self.browser
            .page()
            .is_some_and(|page| markers.on(page).is_some())
    }

    fn keep_skeleton(&mut self, step: &str) {
        if let Some(page) = self.browser.page().filter(|page| page.is_html()) {
            let skeleton = page.document().skeleton();
            self.skeletons.insert(step.to_owned(), skeleton);
        }
    }

    fn values(&self, row: &Row) -> Values {
        let list = &self.profile.list;
        let mut values = Values {
            pattern: Some(list.dates.clone()),
            fields: row.fields.clone(),
            lookup: self.profile.lookup.clone(),
            ..Values::default()
        };
        values.texts.insert("number".to_owned(), row.number.clone());
        values.texts.insert(
            "account".to_owned(),
            row.account.clone().unwrap_or_default(),
        );
        values.days.insert("date".to_owned(), row.date);
        values
    }

    fn filled<T>(result: Result<T, String>, step: &str) -> Result<T, Error> {
        result.map_err(|reason| Self::changed(step, reason))
    }

    fn changed(step: &str, missing: String) -> Error {
        Error::Changed {
            step: step.to_owned(),
            missing,
            evidence: None,
        }
    }

    fn person(&self, what: &str) -> Error {
        Error::Person {
            account: self.account.to_owned(),
            what: what.to_owned(),
        }
    }
}
