//! Walks through a portal as its profile describes it: sign in, list, download.
//!
//! The profile says what; this module knows the order, what a page's state means, and that a
//! sign-in is posted once.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::value::RawValue;
use url::Url;

use crate::clock::Clock;
use crate::document::Looks;
use crate::error::Error;
use crate::ledger::Format;
use crate::mech::document::text_of;
use crate::mech::{Browser, Page, Step};
use crate::net::{Request, plain_address};
use crate::profile::{Download, FormFill, LoginStep, Profile, Rows};
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

    /// Signs in, whatever the session says.
    pub fn sign_in(&mut self) -> Result<(), Error> {
        if self.imported || self.profile.login.is_empty() {
            return Err(self.person("the imported session has ended, or was never good"));
        }
        if self.logins > 0 {
            return Err(self.person("the portal signed us out again right after signing in"));
        }
        self.logins += 1;
        let profile = self.profile;
        for step in &profile.login {
            self.login_step(step)?;
        }
        // A portal without a word about a wrong password just shows its form again.
        let page = self.browser.page();
        if page.is_some_and(|page| profile.signed_out.on(page).is_some()) {
            return Err(Error::LoginRefused {
                account: self.account.to_owned(),
            });
        }
        tracing::info!(account = self.account, "signed in");
        Ok(())
    }

    /// All invoices from `since` to `until`; ranges at the portal's cap are split until no list
    /// is cut.
    pub fn list(&mut self, since: Date, until: Date) -> Result<Vec<Row>, Error> {
        let mut rows = Vec::new();
        let mut ranges = vec![(since, until)];
        while let Some((from, to)) = ranges.pop() {
            let part = match &self.profile.list.rows {
                Rows::Json { .. } => self.list_json()?,
                Rows::Table { .. } => self.list_table(from, to)?,
            };
            let whole = matches!(self.profile.list.rows, Rows::Json { .. });
            if whole || self.profile.list.cap.is_none_or(|cap| part.len() < cap) {
                rows.extend(part);
                continue;
            }
            let days = from
                .until(to)
                .map(|span| span.get_days())
                .unwrap_or_default();
            if days <= 0 {
                let missing = format!("a list of {from} with fewer than {} rows", part.len());
                return Err(Self::changed("list", missing));
            }
            let middle = from.saturating_add((days / 2).days());
            ranges.push((from, middle));
            ranges.push((middle.saturating_add(1.day()), to));
        }
        rows.retain(|row| (since..=until).contains(&row.date));
        rows.sort_by(|a, b| (a.date, &a.number).cmp(&(b.date, &b.number)));
        rows.dedup();
        Ok(rows)
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

    fn login_step(&mut self, step: &LoginStep) -> Result<(), Error> {
        let at = Step {
            name: &step.name,
            hosts: &step.hosts,
        };
        if let Some(goto) = &step.goto {
            self.browser.open(goto, at)?;
            self.no_challenge()?;
        }
        let Some(form) = &step.form else {
            return Ok(());
        };
        let mut values = Values::default();
        values
            .texts
            .insert("username".to_owned(), self.credentials.username()?);
        if form
            .fill
            .iter()
            .any(|(_, template)| template.uses("password"))
        {
            let password = self.credentials.password()?;
            self.redactor.learn(&password);
            values.texts.insert("password".to_owned(), password);
        }
        let totp = if form.has_code() {
            let totp = self.credentials.totp()?;
            Some(totp.ok_or_else(|| self.person("a code is asked for and no totp_command is set"))?)
        } else {
            None
        };
        let put_code = |values: &mut Values, steps, now| {
            if let Some(totp) = &totp {
                values
                    .texts
                    .insert("totp".to_owned(), totp.code(now, steps));
            }
        };
        put_code(&mut values, 0, self.clock.now());
        self.submit(form, &values, at)?;
        if let Some(totp) = &totp
            && self.shows(&step.refused)
        {
            // Only the code form may be sent once more: our clock may be a step off.
            let now = self.clock.now();
            put_code(&mut values, totp.neighbour(now), now);
            self.submit(form, &values, at)?;
        }
        if self.shows(&step.refused) {
            return Err(Error::LoginRefused {
                account: self.account.to_owned(),
            });
        }
        self.no_challenge()?;
        if let Some(expect) = &step.expect {
            let found = self
                .browser
                .page()
                .is_some_and(|page| page.document().select(&expect.selector).next().is_some());
            if !found {
                return Err(Self::changed(
                    &step.name,
                    format!("element {}", expect.text),
                ));
            }
        }
        self.keep_skeleton(&step.name);
        Ok(())
    }

    fn list_table(&mut self, since: Date, until: Date) -> Result<Vec<Row>, Error> {
        let profile = self.profile;
        let list = &profile.list;
        let step = Step {
            name: "list",
            hosts: &[],
        };
        for _ in 0..2 {
            self.browser.open(&list.url, step)?;
            match self.state()? {
                State::Good => break,
                State::SignedOut => self.sign_in()?,
            }
        }
        let mut values = Values {
            pattern: Some(list.dates.clone()),
            ..Values::default()
        };
        values.days.insert("since".to_owned(), since);
        values.days.insert("until".to_owned(), until);
        if let Some(form) = &list.form {
            self.submit(form, &values, step)?;
            if matches!(self.state()?, State::SignedOut) {
                return Err(self.person("signed out between search and list"));
            }
        }
        let mut rows = self.rows_of_page()?;
        self.keep_skeleton("list");
        while let Some(paging) = &list.paging {
            let more = self
                .browser
                .page()
                .is_some_and(|page| page.form(&paging.by).is_some());
            if !more || list.cap.is_some_and(|cap| rows.len() >= cap) {
                break;
            }
            self.submit(paging, &values, step)?;
            let next = self.rows_of_page()?;
            if next.is_empty() {
                break;
            }
            rows.extend(next);
        }
        Ok(rows)
    }

    fn rows_of_page(&self) -> Result<Vec<Row>, Error> {
        let list = &self.profile.list;
        let (
            Rows::Table {
                rows: selector,
                values,
            },
            Some(page),
        ) = (&list.rows, self.browser.page())
        else {
            return Ok(Vec::new());
        };
        let document = page.document();
        let mut rows = Vec::new();
        for element in document.select(&selector.selector) {
            let mut cells = BTreeMap::new();
            for (name, css) in values {
                if let Some(cell) = element.select(&css.selector).next() {
                    cells.insert(name.as_str(), text_of(cell));
                }
            }
            let cell = |name: &str| {
                cells.get(name).cloned().ok_or_else(|| {
                    let css = values.get(name).map_or("", |css| css.text.as_str());
                    Self::changed(
                        "list",
                        format!("{name} at `{css}` in a row of `{}`", selector.text),
                    )
                })
            };
            rows.push(self.row(
                cell("number")?,
                &cell("date")?,
                cell("amount")?,
                &cells,
                BTreeMap::new(),
            )?);
        }
        let empty = list
            .empty
            .as_ref()
            .is_some_and(|text| document.visible_text().contains(text));
        if rows.is_empty() && !empty {
            return Err(Self::changed(
                "list",
                format!("rows at `{}`", selector.text),
            ));
        }
        Ok(rows)
    }

    fn list_json(&mut self) -> Result<Vec<Row>, Error> {
        let profile = self.profile;
        let list = &profile.list;
        let Rows::Json {
            method,
            body,
            pointer,
            values,
        } = &list.rows
        else {
            return Ok(Vec::new());
        };
        let step = Step {
            name: "list",
            hosts: &[],
        };
        for _ in 0..2 {
            self.fetch_token()?;
            let request = match body {
                Some(body) => Request::post(
                    list.url.clone(),
                    "application/json",
                    body.clone().into_bytes(),
                ),
                None => Request::new(*method, list.url.clone()),
            };
            self.browser.go(request, step, true)?;
            match self.state()? {
                State::Good => break,
                State::SignedOut => self.sign_in()?,
            }
        }
        let Some(page) = self.browser.page() else {
            return Ok(Vec::new());
        };
        let text = page.text();
        let array = json_array(&text, pointer)
            .ok_or_else(|| Self::changed("list", format!("a JSON array at `{pointer}`")))?;
        let mut rows = Vec::new();
        for object in array {
            let fields: BTreeMap<String, String> = object
                .iter()
                .map(|(name, value)| (name.clone(), raw_text(value)))
                .collect();
            let cells: BTreeMap<&str, String> = values
                .iter()
                .filter_map(|(name, field)| Some((name.as_str(), fields.get(field)?.clone())))
                .collect();
            let cell = |name: &str| {
                cells.get(name).cloned().ok_or_else(|| {
                    Self::changed("list", format!("field `{}` of a row", values[name]))
                })
            };
            rows.push(self.row(
                cell("number")?,
                &cell("date")?,
                cell("amount")?,
                &cells,
                fields.clone(),
            )?);
        }
        Ok(rows)
    }

    fn row(
        &self,
        number: String,
        date: &str,
        amount: String,
        cells: &BTreeMap<&str, String>,
        fields: BTreeMap<String, String>,
    ) -> Result<Row, Error> {
        let list = &self.profile.list;
        let date = list
            .dates
            .parse(date)
            .ok_or_else(|| Self::changed("list", "a date in the profile's pattern".to_owned()))?;
        if number.is_empty() {
            return Err(Self::changed("list", "an invoice number".to_owned()));
        }
        Ok(Row {
            number,
            date,
            account: cells
                .get("account")
                .filter(|account| !account.is_empty())
                .cloned(),
            amount,
            currency: cells
                .get("currency")
                .cloned()
                .unwrap_or_else(|| list.currency.clone()),
            due: cells.get("due").and_then(|due| list.dates.parse(due)),
            fields,
        })
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

/// Rows of flat objects, values as the text that stood there: an amount must not pass through a
/// float.
fn json_array<'t>(text: &'t str, pointer: &str) -> Option<Vec<BTreeMap<String, &'t RawValue>>> {
    let mut current: &'t RawValue = serde_json::from_str(text).ok()?;
    for part in pointer.split('/').filter(|part| !part.is_empty()) {
        let object: BTreeMap<String, &'t RawValue> = serde_json::from_str(current.get()).ok()?;
        current = object.get(part)?;
    }
    serde_json::from_str(current.get()).ok()
}

fn raw_text(value: &RawValue) -> String {
    serde_json::from_str::<String>(value.get()).unwrap_or_else(|_not_text| value.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_amounts_keep_their_digits() {
        let text = r#"{"data":{"rows":[{"invoiceAmount":90071992547409.93,"n":"0\u00311"}]}}"#;
        let rows = json_array(text, "/data/rows").unwrap();
        assert_eq!(raw_text(rows[0]["invoiceAmount"]), "90071992547409.93");
        assert_eq!(raw_text(rows[0]["n"]), "011");
        assert!(json_array("<html>", "").is_none());
        assert!(json_array("{}", "/data").is_none());
    }
}
