//! From the text of a profile to what the flow walks by: every mistake has its place.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use nightshift_common::config::{self, ConfigError, Loaded};
use nightshift_common::human::Span;
use regex::Regex;
use scraper::Selector;
use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::{Css, Download, FormFill, List, LoginStep, Markers, Profile, Rows, Token};
use crate::day::DatePattern;
use crate::ledger::Format;
use crate::mech::form::FormBy;
use crate::net::Method;
use crate::policy::{Allow, Policy};
use crate::template::Template;
use crate::xml::XmlMap;

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
