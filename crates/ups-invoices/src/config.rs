//! The configuration file's layer, and the settings that come of flags, file and defaults.

use std::path::PathBuf;
use std::time::Duration;

use jiff::civil::Date;
use nightshift_common::config::{ConfigError, Loaded, Resolver};
use nightshift_common::human::Span;
use nightshift_common::notice::Channel;
use nightshift_common::run::Context;
use serde::Deserialize;
use toml::Spanned;

use crate::archive::NameTemplate;
use crate::cli::Global;
use crate::ledger::Format;
use crate::money::{self, DecimalSign};
use crate::net::tls::{MinVersion, Pin, TlsOptions};

/// The file; every key may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileLayer {
    /// Where invoices go.
    pub archive: Option<Spanned<PathBuf>>,
    /// How they are named.
    pub name_template: Option<Spanned<String>>,
    /// Ledger, sessions, evidence.
    pub state: Option<Spanned<PathBuf>>,
    /// Profiles that go before built-in ones.
    pub profiles: Option<Spanned<PathBuf>>,
    /// The lock file.
    pub lock: Option<Spanned<PathBuf>>,
    /// Accounts.
    pub account: Vec<Spanned<Account>>,
    /// `[fetch]`
    pub fetch: FetchLayer,
    /// `[tls]`
    pub tls: TlsLayer,
    /// `[check]`
    pub check: CheckLayer,
    /// `[ingest]`
    pub ingest: IngestLayer,
    /// `[alerts]`
    pub alerts: AlertsLayer,
}

/// `[[account]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its name here; also that of its session and its credential.
    pub name: String,
    /// Its profile.
    pub profile: String,
    /// User name at the portal.
    #[serde(default)]
    pub username: Option<String>,
    /// Shipper numbers it sees; ingested files of these are its own.
    #[serde(default)]
    pub numbers: Vec<String>,
    /// Prints the password.
    #[serde(default)]
    pub password_command: Vec<String>,
    /// Prints the TOTP key.
    #[serde(default)]
    pub totp_command: Vec<String>,
    /// A netrc file that has user and password for the profile's first host.
    #[serde(default)]
    pub netrc: Option<PathBuf>,
}

/// `[fetch]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FetchLayer {
    formats: Option<Spanned<Vec<String>>>,
    since: Option<Spanned<Span>>,
    delay: Option<Spanned<Span>>,
    jitter: Option<Spanned<Span>>,
    max_requests: Option<Spanned<u64>>,
    deadline: Option<Spanned<Span>>,
    http1_only: Option<Spanned<bool>>,
}

/// `[tls]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsLayer {
    ca_file: Option<Spanned<PathBuf>>,
    crl_file: Option<Spanned<PathBuf>>,
    pins: Option<Spanned<Vec<String>>>,
    min_version: Option<Spanned<String>>,
}

/// `[check]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckLayer {
    tolerance: Option<Spanned<String>>,
}

/// `[ingest]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IngestLayer {
    directory: Option<Spanned<PathBuf>>,
    settle: Option<Spanned<Span>>,
}

/// `[alerts]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertsLayer {
    due_within: Option<Spanned<Span>>,
    missing_after: Option<Spanned<Span>>,
    spend_deviations: Option<Spanned<u32>>,
    new_invoice: Option<Spanned<bool>>,
    notify: Option<Spanned<Channel>>,
}

/// Everything decided.
#[derive(Debug)]
pub struct Settings {
    /// Where invoices go.
    pub archive: PathBuf,
    /// How they are named.
    pub names: NameTemplate,
    /// Ledger, sessions, evidence.
    pub state: PathBuf,
    /// Profiles that go before built-in ones.
    pub profiles: PathBuf,
    /// The lock file.
    pub lock: PathBuf,
    /// Accounts to work on.
    pub accounts: Vec<Account>,
    /// Formats to fetch.
    pub formats: Vec<Format>,
    /// How far back to list.
    pub since: Duration,
    /// Overrides of the profile's rate.
    pub delay: Option<Duration>,
    /// Overrides of the profile's rate.
    pub jitter: Option<Duration>,
    /// Overrides of the profile's rate.
    pub max_requests: Option<u64>,
    /// Longest run.
    pub deadline: Duration,
    /// TLS.
    pub tls: TlsOptions,
    /// Accepted difference, in hundredths of the invoice's unit (or its own minor unit).
    pub tolerance: Tolerance,
    /// Directory of `ingest`.
    pub ingest: Option<PathBuf>,
    /// How long a file must rest.
    pub settle: Duration,
    /// `[alerts]`
    pub alerts: AlertRules,
}

/// An accepted difference, decided when the currency is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tolerance(String);

impl Tolerance {
    /// Reads an amount such as 0.05, not negative.
    pub fn new(text: &str) -> Result<Self, String> {
        match money::parse(text.as_bytes(), 3, DecimalSign::Point) {
            Ok(minor) if minor >= 0 => Ok(Self(text.to_owned())),
            _ => Err(format!("`{text}` is no amount such as 0.05")),
        }
    }

    /// In minor units of a currency with `exponent` digits; digits beyond them are dropped.
    #[must_use]
    pub fn minor(&self, exponent: u8) -> u64 {
        let thousandths = money::parse(self.0.as_bytes(), 3, DecimalSign::Point).unwrap_or(0);
        thousandths.unsigned_abs() / 10_u64.pow(3 - u32::from(exponent.min(3)))
    }
}

/// When to alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertRules {
    /// Due within this time.
    pub due_within: Duration,
    /// No invoice for this long.
    pub missing_after: Duration,
    /// Median absolute deviations that make a week unusual.
    pub spend_deviations: u32,
    /// Alert on every new invoice.
    pub new_invoice: bool,
}

const DAY: u64 = 24 * 60 * 60;

fn days(count: u64) -> Span {
    Span(Duration::from_secs(count * DAY))
}

impl Settings {
    /// Merges the layers. Returns the resolver too, for `--show-config`.
    pub fn resolve<'a>(
        context: &'a Context,
        loaded: &'a Loaded<FileLayer>,
        global: &Global,
    ) -> Result<(Self, Option<Channel>, Resolver<'a>), ConfigError> {
        let file = &loaded.layer;
        let mut resolver = Resolver::new(context, loaded);
        let state = "/var/lib/nightshift/ups-invoices";
        let mut path = |key: &str, value: &Option<Spanned<PathBuf>>, default: &str| {
            resolver.value(key, "", None, value.clone(), PathBuf::from(default))
        };
        let state = path("state", &file.state, state);
        let archive_default = state.join("archive");
        let archive = path(
            "archive",
            &file.archive,
            archive_default.to_str().unwrap_or("archive"),
        );
        let profiles = path("profiles", &file.profiles, "/etc/nightshift/ups-invoices.d");
        let lock = path("lock", &file.lock, "/run/nightshift/ups-invoices.lock");
        let mut plain = |key: &str, value: &Option<Spanned<String>>, default: &str| {
            resolver.value(key, "", None, value.clone(), default.to_owned())
        };
        let template = plain(
            "name_template",
            &file.name_template,
            "{date}_{invoice}.{ext}",
        );
        let tolerance = plain("check.tolerance", &file.check.tolerance, "0.00");
        let min_version = plain("tls.min_version", &file.tls.min_version, "1.2");
        let names =
            NameTemplate::new(&template).map_err(|why| resolver.mistake("name_template", why))?;
        let tolerance =
            Tolerance::new(&tolerance).map_err(|why| resolver.mistake("check.tolerance", why))?;
        let min_version = match min_version.as_str() {
            "1.2" => MinVersion::Tls12,
            "1.3" => MinVersion::Tls13,
            _ => return Err(resolver.mistake("tls.min_version", "1.2 or 1.3")),
        };
        let all = ["csv", "xml", "pdf"].map(str::to_owned).to_vec();
        let formats = resolver.value("fetch.formats", "", None, file.fetch.formats.clone(), all);
        let formats = formats
            .iter()
            .map(|name| name.parse())
            .collect::<Result<Vec<Format>, _>>();
        let formats = formats.map_err(|why| resolver.mistake("fetch.formats", why))?;
        let pins = resolver.value("tls.pins", "", None, file.tls.pins.clone(), Vec::new());
        let pins = pins
            .iter()
            .map(|pin| pin.parse())
            .collect::<Result<Vec<Pin>, _>>();
        let pins = pins.map_err(|why| resolver.mistake("tls.pins", why))?;
        let since = resolver
            .value("fetch.since", "", None, file.fetch.since.clone(), days(400))
            .0;
        let delay = resolver.optional("fetch.delay", "", None, file.fetch.delay.clone());
        let jitter = resolver.optional("fetch.jitter", "", None, file.fetch.jitter.clone());
        let max_requests = resolver.optional(
            "fetch.max_requests",
            "",
            None,
            file.fetch.max_requests.clone(),
        );
        let half_hour = Span(Duration::from_mins(30));
        let deadline = resolver
            .value(
                "fetch.deadline",
                "",
                None,
                file.fetch.deadline.clone(),
                half_hour,
            )
            .0;
        let tls = TlsOptions {
            ca_file: resolver.optional("tls.ca_file", "", None, file.tls.ca_file.clone()),
            crl_file: resolver.optional("tls.crl_file", "", None, file.tls.crl_file.clone()),
            pins,
            min_version,
            http1_only: resolver.switch(
                "fetch.http1_only",
                "",
                false,
                file.fetch.http1_only.clone(),
            ),
        };
        let ingest = resolver.optional("ingest.directory", "", None, file.ingest.directory.clone());
        let ten = Span(Duration::from_secs(10));
        let settle = resolver
            .value("ingest.settle", "", None, file.ingest.settle.clone(), ten)
            .0;
        let raw = &file.alerts;
        let alerts = AlertRules {
            due_within: resolver
                .value(
                    "alerts.due_within",
                    "",
                    None,
                    raw.due_within.clone(),
                    days(5),
                )
                .0,
            missing_after: resolver
                .value(
                    "alerts.missing_after",
                    "",
                    None,
                    raw.missing_after.clone(),
                    days(10),
                )
                .0,
            spend_deviations: resolver.value(
                "alerts.spend_deviations",
                "",
                None,
                raw.spend_deviations.clone(),
                4,
            ),
            new_invoice: resolver.switch("alerts.new_invoice", "", false, raw.new_invoice.clone()),
        };
        let notify = resolver.optional("alerts.notify", "", None, raw.notify.clone());
        let accounts = accounts(loaded, global)?;
        let settings = Self {
            archive,
            names,
            state,
            profiles,
            lock,
            accounts,
            formats,
            since,
            delay: delay.map(|span| span.0),
            jitter: jitter.map(|span| span.0),
            max_requests,
            deadline,
            tls,
            tolerance,
            ingest,
            settle,
            alerts,
        };
        Ok((settings, notify, resolver))
    }

    /// The first day to list.
    #[must_use]
    pub fn first_day(&self, today: Date) -> Date {
        let days = i32::try_from(self.since.as_secs() / DAY).unwrap_or(i32::MAX);
        today.saturating_sub(jiff::Span::new().days(days.min(100_000)))
    }
}

fn accounts(loaded: &Loaded<FileLayer>, global: &Global) -> Result<Vec<Account>, ConfigError> {
    let mut accounts: Vec<Account> = Vec::new();
    for spanned in &loaded.layer.account {
        let mut account = spanned.get_ref().clone();
        let tame = account
            .name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
        if account.name.is_empty() || !tame {
            let reason = "an account's name has letters, digits, - and _ only: it names files";
            return Err(loaded.error_at(spanned.span(), reason));
        }
        if accounts.iter().any(|known| known.name == account.name) {
            let reason = format!("account `{}` is there twice", account.name);
            return Err(loaded.error_at(spanned.span(), reason));
        }
        if let Some(profile) = &global.profile {
            account.profile.clone_from(profile);
        }
        accounts.push(account);
    }
    if let Some(name) = &global.account {
        accounts.retain(|account| account.name == *name);
        if accounts.is_empty() {
            let reason = format!("no [[account]] is named `{name}`");
            return Err(loaded.error_at(0..0, reason));
        }
    }
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_follows_the_currency() {
        let tolerance = Tolerance::new("0.05").unwrap();
        assert_eq!(
            (tolerance.minor(2), tolerance.minor(3), tolerance.minor(0)),
            (5, 50, 0)
        );
        assert!(Tolerance::new("-1").is_err() && Tolerance::new("x").is_err());
    }
}
