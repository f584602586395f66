//! A portal as data: hosts, sign-in, list and downloads, in one TOML file.
//!
//! What a profile cannot express, the tool cannot do: there is no request in the code. Mistakes
//! are reported as `file:line:column`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nightshift_common::config::{self, ConfigError, Loaded};
use nightshift_common::human::Span;
use regex::Regex;
use scraper::Selector;
use serde::Deserialize;
use toml::Spanned;
use url::Url;

use crate::day::DatePattern;
use crate::ledger::Format;
use crate::mech::Page;
use crate::mech::form::FormBy;
use crate::net::Method;
use crate::policy::{Allow, Policy};
use crate::template::Template;
use crate::xml::XmlMap;

/// Profiles that come with the program.
const BUILT_IN: [(&str, &str); 2] = [
    ("ups-classic", include_str!("../profiles/ups-classic.toml")),
    (
        "ups-billing-center",
        include_str!("../profiles/ups-billing-center.toml"),
    ),
];

/// A selector and how it was written.
#[derive(Debug, Clone)]
pub struct Css {
    /// As in the profile.
    pub text: String,
    /// Compiled.
    pub selector: Selector,
}

/// Signs by which a kind of page is known. Any one of them is enough.
#[derive(Debug, Clone, Default)]
pub struct Markers {
    text: Vec<String>,
    selectors: Vec<Css>,
    paths: Vec<Regex>,
    status: Vec<u16>,
}

impl Markers {
    /// The sign that a page shows, if any. Text counts only where a person would see it.
    #[must_use]
    pub fn on(&self, page: &Page) -> Option<String> {
        if self.status.contains(&page.status) {
            return Some(format!("status {}", page.status));
        }
        if let Some(path) = self
            .paths
            .iter()
            .find(|path| path.is_match(page.url.path()))
        {
            return Some(format!("a page under {path}"));
        }
        if !page.is_html() {
            return None;
        }
        let document = page.document();
        if let Some(css) = self
            .selectors
            .iter()
            .find(|c| document.select(&c.selector).next().is_some())
        {
            return Some(format!("element {}", css.text));
        }
        let visible = document.visible_text();
        self.text
            .iter()
            .find(|text| visible.contains(text.as_str()))
            .map(|t| format!("\"{t}\""))
    }
}

/// One step of signing in.
#[derive(Debug, Clone)]
pub struct LoginStep {
    /// Its name, for messages.
    pub name: String,
    /// Page to open first.
    pub goto: Option<Url>,
    /// Form to fill on the open page.
    pub form: Option<FormFill>,
    /// Hosts this step may reach; all of the profile's if empty.
    pub hosts: Vec<String>,
    /// What the page afterwards must have.
    pub expect: Option<Css>,
    /// Signs of a refused user, password or code.
    pub refused: Markers,
}

/// A form and what to put in.
#[derive(Debug, Clone)]
pub struct FormFill {
    /// Which form.
    pub by: FormBy,
    /// Field and value.
    pub fill: Vec<(String, Template)>,
    /// Button; the first one otherwise.
    pub submit: Option<String>,
}

impl FormFill {
    /// Whether any value is the password or a code.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.fill
            .iter()
            .any(|(_, t)| t.uses("password") || t.uses("totp"))
    }

    /// Whether a code is asked for.
    #[must_use]
    pub fn has_code(&self) -> bool {
        self.fill.iter().any(|(_, template)| template.uses("totp"))
    }
}

/// How the list is read.
#[derive(Debug, Clone)]
pub struct List {
    /// Its page or endpoint.
    pub url: Url,
    /// Search form on that page.
    pub form: Option<FormFill>,
    /// Where rows and values are.
    pub rows: Rows,
    /// Text of an empty list.
    pub empty: Option<String>,
    /// Most rows a search gives; that many mean that some may be missing.
    pub cap: Option<usize>,
    /// Form that leads to the next page.
    pub paging: Option<FormFill>,
    /// How dates are written.
    pub dates: DatePattern,
    /// Currency where the list names none.
    pub currency: String,
}

/// A table or JSON.
#[derive(Debug, Clone)]
pub enum Rows {
    /// An HTML table: selector of the rows, and of each value within one.
    Table {
        /// Rows.
        rows: Css,
        /// Value selectors by name.
        values: BTreeMap<String, Css>,
    },
    /// A JSON array of flat objects: method, body, and the field of each value.
    Json {
        /// Method of the request.
        method: Method,
        /// Its body.
        body: Option<String>,
        /// JSON pointer to the array; empty for the document itself.
        pointer: String,
        /// Fields by value name.
        values: BTreeMap<String, String>,
    },
}

/// How one format of an invoice is downloaded.
#[derive(Debug, Clone)]
pub struct Download {
    /// Page to open, or the request's address.
    pub url: Template,
    /// Form to submit on that page.
    pub form: Option<FormFill>,
    /// Method, if there is no form.
    pub method: Method,
    /// JSON body as a template.
    pub json: Option<toml::Value>,
}

/// A token that a page's header hands out and later requests must carry.
#[derive(Debug, Clone)]
pub struct Token {
    /// Page to open for it.
    pub url: Url,
    /// Header that carries it, both ways.
    pub header: String,
}

/// A compiled profile.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Hosts and requests.
    pub policy: Policy,
    /// Sign-in; empty where only imported sessions work.
    pub login: Vec<LoginStep>,
    /// Headers that an imported session brings.
    pub session_headers: Vec<String>,
    /// Token fetched before the list.
    pub token: Option<Token>,
    /// The list.
    pub list: List,
    /// Downloads.
    pub downloads: BTreeMap<Format, Download>,
    /// Lookup tables for templates.
    pub lookup: BTreeMap<String, BTreeMap<String, String>>,
    /// Signs of a page for people who are signed out.
    pub signed_out: Markers,
    /// Signs that a person is needed.
    pub challenge: Markers,
    /// How XML is read.
    pub xml: XmlMap,
    /// Time between requests.
    pub delay: Duration,
    /// Random addition to it.
    pub jitter: Duration,
    /// Most requests of a run.
    pub max_requests: u64,
    /// Its text, for `profile show` and evidence.
    pub text: String,
    /// Where it came from.
    pub path: PathBuf,
}

/// Names of all profiles: built in, and in `directory`.
#[must_use]
pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = BUILT_IN
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    if let Ok(entries) = std::fs::read_dir(directory) {
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(stem) = name.strip_suffix(".toml") {
                names.push(stem.to_owned());
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

/// The text of a profile that comes with the program.
#[must_use]
pub fn built_in(name: &str) -> Option<&'static str> {
    let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
    Some(text)
}

/// The text of a profile: from `directory` if it has one of that name, else built in.
pub fn text_of(name: &str, directory: &Path) -> Result<(PathBuf, String), ConfigError> {
    let path = directory.join(format!("{name}.toml"));
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match built_in(name) {
            Some(text) => Ok((
                PathBuf::from(format!("{name}.toml (built in)")),
                text.to_owned(),
            )),
            None => Err(ConfigError::Read {
                path,
                source: error,
            }),
        },
        Err(source) => Err(ConfigError::Read { path, source }),
    }
}

/// Loads and compiles a profile.
pub fn load(name: &str, directory: &Path) -> Result<Profile, ConfigError> {
    let (path, text) = text_of(name, directory)?;
    parse(name, &path, text)
}

/// Compiles a profile from its text.
pub fn parse(name: &str, path: &Path, text: String) -> Result<Profile, ConfigError> {
    let loaded: Loaded<Raw> = config::parse(path, text.clone())?;
    let compile = Compile { loaded: &loaded };
    let raw = &loaded.layer;
    let policy = compile.policy(&raw.site)?;
    let list = compile.list(&raw.list)?;
    let mut downloads = BTreeMap::new();
    for (format, download) in &raw.download {
        downloads.insert(*format, compile.download(download, &policy)?);
    }
    let login = raw
        .login
        .iter()
        .map(|step| compile.login(step, &policy))
        .collect::<Result<_, _>>()?;
    compile.address(&raw.list.url, &policy)?;
    let token = match &raw.token {
        None => None,
        Some(token) => Some(Token {
            url: compile.address(&token.url, &policy)?,
            header: token.header.to_ascii_lowercase(),
        }),
    };
    let xml = match &raw.xml {
        None => XmlMap::known_paths(),
        Some(xml) => {
            let entries = xml
                .map
                .get_ref()
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()));
            XmlMap::new(entries).map_err(|why| loaded.error_at(xml.map.span(), why))?
        }
    };
    Ok(Profile {
        name: name.to_owned(),
        login,
        session_headers: raw
            .session
            .headers
            .iter()
            .map(|h| h.to_ascii_lowercase())
            .collect(),
        token,
        list,
        downloads,
        lookup: raw.lookup.clone(),
        signed_out: compile.markers(&raw.signed_out)?,
        challenge: compile.markers(&raw.challenge)?,
        xml,
        delay: raw.rate.delay.map_or(Duration::from_secs(3), |span| span.0),
        jitter: raw
            .rate
            .jitter
            .map_or(Duration::from_secs(1), |span| span.0),
        max_requests: raw.rate.max_requests.unwrap_or(400),
        policy,
        text,
        path: path.to_owned(),
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    site: RawSite,
    #[serde(default)]
    login: Vec<RawLogin>,
    #[serde(default)]
    session: RawSession,
    token: Option<RawToken>,
    list: RawList,
    #[serde(default)]
    download: BTreeMap<Format, RawDownload>,
    #[serde(default)]
    lookup: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    signed_out: RawMarkers,
    #[serde(default)]
    challenge: RawMarkers,
    xml: Option<RawXml>,
    #[serde(default)]
    rate: RawRate,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSite {
    hosts: Spanned<Vec<String>>,
    allow: Vec<RawAllow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAllow {
    method: Method,
    path: Spanned<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawSession {
    headers: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawToken {
    url: Spanned<String>,
    header: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawForm {
    id: Option<String>,
    name: Option<String>,
    has_field: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLogin {
    name: String,
    goto: Option<Spanned<String>>,
    form: Option<Spanned<RawForm>>,
    #[serde(default)]
    fill: BTreeMap<String, Spanned<String>>,
    submit: Option<String>,
    #[serde(default)]
    hosts: Vec<Spanned<String>>,
    expect: Option<Spanned<String>>,
    #[serde(default)]
    refused: RawMarkers,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawMarkers {
    text: Vec<String>,
    selector: Vec<Spanned<String>>,
    path: Vec<Spanned<String>>,
    status: Vec<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawKind {
    Table,
    Json,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawList {
    kind: RawKind,
    url: Spanned<String>,
    form: Option<Spanned<RawForm>>,
    #[serde(default)]
    fill: BTreeMap<String, Spanned<String>>,
    submit: Option<String>,
    method: Option<Method>,
    body: Option<String>,
    rows: Spanned<String>,
    values: Spanned<BTreeMap<String, Spanned<String>>>,
    empty: Option<String>,
    cap: Option<usize>,
    paging: Option<RawPaging>,
    dates: Spanned<String>,
    currency: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPaging {
    form: Spanned<RawForm>,
    #[serde(default)]
    fill: BTreeMap<String, Spanned<String>>,
    submit: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDownload {
    url: Spanned<String>,
    form: Option<Spanned<RawForm>>,
    #[serde(default)]
    fill: BTreeMap<String, Spanned<String>>,
    submit: Option<String>,
    method: Option<Method>,
    json: Option<toml::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawXml {
    map: Spanned<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawRate {
    delay: Option<Span>,
    jitter: Option<Span>,
    max_requests: Option<u64>,
}

/// Values that a list row can have; the first three must be there.
const ROW_VALUES: [&str; 6] = ["number", "date", "amount", "account", "currency", "due"];

struct Compile<'l> {
    loaded: &'l Loaded<Raw>,
}

impl Compile<'_> {
    fn policy(&self, site: &RawSite) -> Result<Policy, ConfigError> {
        let hosts = site.hosts.get_ref();
        if hosts.is_empty() {
            return Err(self.loaded.error_at(site.hosts.span(), "no host"));
        }
        for host in hosts {
            let plain = Url::parse(&format!("https://{host}/"));
            if !plain.is_ok_and(|url| url.host_str() == Some(host) && url.port().is_none()) {
                let reason = format!("`{host}` is no plain host name in lower case");
                return Err(self.loaded.error_at(site.hosts.span(), reason));
            }
        }
        let allow = site
            .allow
            .iter()
            .map(|allow| {
                let path = self.regex(&allow.path)?;
                if !allow.path.get_ref().starts_with('^') {
                    let reason = "a path pattern begins with ^, or it would match anywhere";
                    return Err(self.loaded.error_at(allow.path.span(), reason));
                }
                Ok(Allow {
                    method: allow.method,
                    path,
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Policy {
            hosts: hosts.clone(),
            allow,
        })
    }

    fn login(&self, raw: &RawLogin, policy: &Policy) -> Result<LoginStep, ConfigError> {
        let goto = raw
            .goto
            .as_ref()
            .map(|goto| self.address(goto, policy))
            .transpose()?;
        for host in &raw.hosts {
            if !policy.hosts.contains(host.get_ref()) {
                let reason = "this host is not among [site] hosts";
                return Err(self.loaded.error_at(host.span(), reason));
            }
        }
        Ok(LoginStep {
            name: raw.name.clone(),
            goto,
            form: self.form_fill(raw.form.as_ref(), &raw.fill, raw.submit.as_ref())?,
            hosts: raw
                .hosts
                .iter()
                .map(|host| host.get_ref().clone())
                .collect(),
            expect: raw.expect.as_ref().map(|css| self.css(css)).transpose()?,
            refused: self.markers(&raw.refused)?,
        })
    }

    fn list(&self, raw: &RawList) -> Result<List, ConfigError> {
        let values = raw.values.get_ref();
        for needed in &ROW_VALUES[..3] {
            if !values.contains_key(*needed) {
                let reason = format!("values has no `{needed}`");
                return Err(self.loaded.error_at(raw.values.span(), reason));
            }
        }
        if let Some((name, at)) = values
            .iter()
            .find(|(n, _)| !ROW_VALUES.contains(&n.as_str()))
        {
            let reason = format!("no value `{name}`; there are {}", ROW_VALUES.join(", "));
            return Err(self.loaded.error_at(at.span(), reason));
        }
        let rows = match raw.kind {
            RawKind::Table => Rows::Table {
                rows: self.css(&raw.rows)?,
                values: values
                    .iter()
                    .map(|(name, css)| Ok((name.clone(), self.css(css)?)))
                    .collect::<Result<_, ConfigError>>()?,
            },
            RawKind::Json => Rows::Json {
                method: raw.method.unwrap_or(Method::Get),
                body: raw.body.clone(),
                pointer: raw.rows.get_ref().clone(),
                values: values
                    .iter()
                    .map(|(n, f)| (n.clone(), f.get_ref().clone()))
                    .collect(),
            },
        };
        let paging = match &raw.paging {
            None => None,
            Some(paging) => {
                self.form_fill(Some(&paging.form), &paging.fill, paging.submit.as_ref())?
            }
        };
        let dates = DatePattern::new(raw.dates.get_ref())
            .map_err(|reason| self.loaded.error_at(raw.dates.span(), reason))?;
        Ok(List {
            url: self.url(&raw.url)?,
            form: self.form_fill(raw.form.as_ref(), &raw.fill, raw.submit.as_ref())?,
            rows,
            empty: raw.empty.clone(),
            cap: raw.cap,
            paging,
            dates,
            currency: raw.currency.clone().unwrap_or_else(|| "USD".to_owned()),
        })
    }

    fn download(&self, raw: &RawDownload, policy: &Policy) -> Result<Download, ConfigError> {
        let url = self.template(&raw.url)?;
        let origin = raw.url.get_ref().split('{').next().unwrap_or_default();
        let fixed = Url::parse(origin)
            .map_err(|error| self.loaded.error_at(raw.url.span(), error.to_string()))?;
        policy
            .check_address(&fixed, "download", &[])
            .map_err(|refused| self.loaded.error_at(raw.url.span(), refused))?;
        Ok(Download {
            url,
            form: self.form_fill(raw.form.as_ref(), &raw.fill, raw.submit.as_ref())?,
            method: raw.method.unwrap_or(Method::Get),
            json: raw.json.clone(),
        })
    }

    fn form_fill(
        &self,
        form: Option<&Spanned<RawForm>>,
        fill: &BTreeMap<String, Spanned<String>>,
        submit: Option<&String>,
    ) -> Result<Option<FormFill>, ConfigError> {
        let Some(form) = form else {
            if let Some(value) = fill.values().next() {
                return Err(self.loaded.error_at(value.span(), "fill without a form"));
            }
            return Ok(None);
        };
        let by = match form.get_ref() {
            RawForm {
                id: Some(id),
                name: None,
                has_field: None,
            } => FormBy::Id(id.clone()),
            RawForm {
                id: None,
                name: Some(name),
                has_field: None,
            } => FormBy::Name(name.clone()),
            RawForm {
                id: None,
                name: None,
                has_field: Some(f),
            } => FormBy::HasField(f.clone()),
            _ => {
                let reason = "a form is found by one of id, name, has_field";
                return Err(self.loaded.error_at(form.span(), reason));
            }
        };
        let fill = fill
            .iter()
            .map(|(field, value)| Ok((field.clone(), self.template(value)?)))
            .collect::<Result<_, ConfigError>>()?;
        Ok(Some(FormFill {
            by,
            fill,
            submit: submit.cloned(),
        }))
    }

    fn markers(&self, raw: &RawMarkers) -> Result<Markers, ConfigError> {
        Ok(Markers {
            text: raw.text.clone(),
            selectors: raw
                .selector
                .iter()
                .map(|css| self.css(css))
                .collect::<Result<_, _>>()?,
            paths: raw
                .path
                .iter()
                .map(|path| self.regex(path))
                .collect::<Result<_, _>>()?,
            status: raw.status.clone(),
        })
    }

    fn address(&self, raw: &Spanned<String>, policy: &Policy) -> Result<Url, ConfigError> {
        let url = self.url(raw)?;
        policy
            .check_address(&url, "profile", &[])
            .map_err(|refused| self.loaded.error_at(raw.span(), refused))?;
        Ok(url)
    }

    fn url(&self, raw: &Spanned<String>) -> Result<Url, ConfigError> {
        Url::parse(raw.get_ref()).map_err(|error| self.loaded.error_at(raw.span(), error))
    }

    fn regex(&self, raw: &Spanned<String>) -> Result<Regex, ConfigError> {
        Regex::new(raw.get_ref()).map_err(|error| self.loaded.error_at(raw.span(), error))
    }

    fn css(&self, raw: &Spanned<String>) -> Result<Css, ConfigError> {
        let text = raw.get_ref().clone();
        match Selector::parse(&text) {
            Ok(selector) => Ok(Css { text, selector }),
            Err(error) => Err(self.loaded.error_at(raw.span(), error)),
        }
    }

    fn template(&self, raw: &Spanned<String>) -> Result<Template, ConfigError> {
        Template::new(raw.get_ref()).map_err(|reason| self.loaded.error_at(raw.span(), reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(edit: impl Fn(&str) -> String) -> String {
        let text = edit(BUILT_IN[0].1);
        parse("x", Path::new("x.toml"), text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_built_in_profiles_compile() {
        for (name, _) in BUILT_IN {
            let profile = load(name, Path::new("/nonexistent")).unwrap();
            assert!(!profile.policy.allow.is_empty(), "{name}");
        }
    }

    #[test]
    fn mistakes_have_file_line_and_column() {
        let error = fault(|text| text.replacen("rows = \"", "rows = \"[[", 1));
        assert!(
            error.starts_with("x.toml:") && error.matches(':').count() >= 3,
            "{error}"
        );
        let error = fault(|text| format!("{text}\n[surprise]\n"));
        assert!(error.contains("unknown field `surprise`"), "{error}");
        let error = fault(|text| text.replacen("path = \"^", "path = \"", 1));
        assert!(error.contains("begins with ^"), "{error}");
        let error = fault(|text| text.replacen("dates = \"MM", "dates = \"NN", 1));
        assert!(error.contains("no date pattern"), "{error}");
        let error = fault(|text| text.replacen("{password}", "{passwort}", 1));
        assert!(error.contains("passwort"), "{error}");
        let error = fault(|text| {
            text.replacen(
                "goto = \"https://www.ups.com",
                "goto = \"http://www.ups.com",
                1,
            )
        });
        assert!(error.contains("not https"), "{error}");
    }
}
