//! A portal as data: hosts, sign-in, list and downloads, in one TOML file.
//!
//! What a profile cannot express, the tool cannot do: there is no request in the code. Mistakes
//! are reported as `file:line:column`.

mod compile;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nightshift_common::config::ConfigError;
use regex::Regex;
use scraper::Selector;
use url::Url;

use crate::day::DatePattern;
use crate::ledger::Format;
use crate::mech::Page;
use crate::mech::form::FormBy;
use crate::net::Method;
use crate::policy::Policy;
use crate::template::Template;
use crate::xml::XmlMap;

pub use compile::parse;

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
