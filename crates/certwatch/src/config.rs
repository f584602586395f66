//! The configuration file's layer, all optional, and the settings, nothing optional.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nightshift_common::config::{self, ConfigError, Loaded, Resolver};
use nightshift_common::human::Span;
use nightshift_common::notice::Channel;
use nightshift_common::run::Context;
use serde::Deserialize;
use toml::Spanned;

use crate::chain::Judge;
use crate::cli::{Cli, SettingFlags};
use crate::db::postgres::Login;
use crate::db::sqlite::Open;
use crate::dns::{self, Dns, Servers};
use crate::error::Error;
use crate::import::ccadb::Ccadb;
use crate::owner::Owners;
use crate::roots::Roots;
use crate::rule::{Rule, RuleLayer};
use crate::schedule::Cidr;
use crate::store::Store;
use crate::sweep;

const STORE: &str = "/var/lib/nightshift/certwatch/certwatch.db";
const RESOLV_CONF: &str = "/etc/resolv.conf";
const TARGETS: &str = "/etc/nightshift/certwatch.targets";

/// /etc/nightshift/certwatch.toml.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Layer {
    targets: Option<Spanned<PathBuf>>,
    vantage: Option<Spanned<String>>,
    probe: ProbeLayer,
    roots: RootsLayer,
    store: StoreLayer,
    thresholds: ThresholdLayer,
    dns: DnsLayer,
    owners: OwnersLayer,
    rule: Vec<Spanned<RuleLayer>>,
    notify: Option<Channel>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct ProbeLayer {
    deadline: Option<Spanned<Span>>,
    in_flight: Option<Spanned<u32>>,
    threads: Option<Spanned<u32>>,
    pause: Option<Spanned<Span>>,
    every: Option<Spanned<Span>>,
    own_networks: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct RootsLayer {
    public: Option<Spanned<String>>,
    local: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct StoreLayer {
    place: Option<Spanned<String>>,
    root_cert: Option<Spanned<PathBuf>>,
    password_file: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct ThresholdLayer {
    expiring: Option<Spanned<f64>>,
    expiring_now: Option<Spanned<f64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
struct DnsLayer {
    tlsa: Option<Spanned<bool>>,
    caa: Option<Spanned<bool>>,
    resolver: Option<Spanned<Vec<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct OwnersLayer {
    aliases: BTreeMap<String, String>,
}

/// The effective settings.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) targets: PathBuf,
    pub(crate) vantage: String,
    pub(crate) store: String,
    pub(crate) login: Login,
    pub(crate) public_roots: String,
    pub(crate) local_roots: String,
    pub(crate) sweep: sweep::Options,
    /// Between two looks at one target.
    pub(crate) every: Duration,
    pub(crate) thresholds: (f64, f64),
    pub(crate) aliases: BTreeMap<String, String>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) notify: Option<Channel>,
}

/// Loads the file and merges the layers. With `--show-config` the result is printed and `None`
/// returned.
pub(crate) fn load(cli: &Cli, context: &Context) -> Result<Option<Settings>, Error> {
    let loaded: Loaded<Layer> = config::load("certwatch", &cli.shared)?;
    let mut resolver = Resolver::new(context, &loaded);
    let settings = resolve(&cli.settings, &loaded, &mut resolver)?;
    if cli.shared.show_config {
        resolver.print(&mut nightshift_common::output::Out::stdout())?;
        return Ok(None);
    }
    Ok(Some(settings))
}

fn resolve(
    flags: &SettingFlags,
    loaded: &Loaded<Layer>,
    resolver: &mut Resolver<'_>,
) -> Result<Settings, ConfigError> {
    let layer = &loaded.layer;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let default_threads = u32::try_from(cores).unwrap_or(1);
    let targets = resolver.value(
        "targets",
        "file",
        None,
        layer.targets.clone(),
        TARGETS.into(),
    );
    let vantage = resolver.value(
        "vantage",
        "vantage",
        flags.vantage.clone(),
        layer.vantage.clone(),
        host_name(),
    );
    let store = resolver.value(
        "store.place",
        "store",
        flags.store.clone(),
        layer.store.place.clone(),
        STORE.to_owned(),
    );
    let root_cert = resolver.optional(
        "store.root-cert",
        "root_cert",
        None,
        layer.store.root_cert.clone(),
    );
    let password_file = resolver.optional(
        "store.password-file",
        "password_file",
        None,
        layer.store.password_file.clone(),
    );
    let public_roots = resolver.value(
        "roots.public",
        "roots",
        flags.roots.clone(),
        layer.roots.public.clone(),
        "mozilla".to_owned(),
    );
    let local_roots = resolver.value(
        "roots.local",
        "local_roots",
        flags.local_roots.clone(),
        layer.roots.local.clone(),
        "none".to_owned(),
    );
    let second = Span(Duration::from_secs(1));
    let ten = Span(Duration::from_secs(10));
    let deadline = resolver.value(
        "probe.deadline",
        "deadline",
        None,
        layer.probe.deadline.clone(),
        ten,
    );
    let pause = resolver.value(
        "probe.pause",
        "pause",
        None,
        layer.probe.pause.clone(),
        second,
    );
    let every = resolver.value(
        "probe.every",
        "every",
        None,
        layer.probe.every.clone(),
        Span(Duration::from_hours(6)),
    );
    let in_flight = resolver.value(
        "probe.in-flight",
        "concurrency",
        None,
        layer.probe.in_flight.clone(),
        256,
    );
    let threads = resolver.value(
        "probe.threads",
        "threads",
        None,
        layer.probe.threads.clone(),
        default_threads,
    );
    let expiring = resolver.value(
        "thresholds.expiring",
        "expiring",
        None,
        layer.thresholds.expiring.clone(),
        0.20,
    );
    let expiring_now = resolver.value(
        "thresholds.expiring-now",
        "expiring_now",
        None,
        layer.thresholds.expiring_now.clone(),
        0.07,
    );
    for (key, share) in [
        ("thresholds.expiring", expiring),
        ("thresholds.expiring-now", expiring_now),
    ] {
        if !(0.0..=1.0).contains(&share) {
            return Err(resolver.mistake(key, "a share of the lifetime is between 0 and 1"));
        }
    }
    if in_flight == 0 || threads == 0 {
        let key = if in_flight == 0 {
            "probe.in-flight"
        } else {
            "probe.threads"
        };
        return Err(resolver.mistake(key, "must be at least 1"));
    }
    if deadline.0.is_zero() {
        return Err(resolver.mistake("probe.deadline", "must be longer than nothing"));
    }
    let dns = dns(&layer.dns, resolver)?;
    let own_networks = layer
        .probe
        .own_networks
        .iter()
        .map(|block| {
            let parsed = block.get_ref().parse::<Cidr>();
            parsed.map_err(|reason| loaded.error_at(block.span(), reason))
        })
        .collect::<Result<_, _>>()?;
    let rules = layer
        .rule
        .iter()
        .map(|rule| {
            let checked = Rule::try_from(rule.get_ref());
            checked.map_err(|reason| loaded.error_at(rule.span(), reason))
        })
        .collect::<Result<_, _>>()?;
    Ok(Settings {
        targets,
        vantage,
        store,
        login: Login {
            root_cert,
            password_file,
        },
        public_roots,
        local_roots,
        sweep: sweep::Options {
            threads: threads as usize,
            in_flight: in_flight as usize,
            deadline: deadline.0,
            pause: pause.0,
            own_networks,
            fast: false,
            dns,
            caa_due: Arc::default(),
        },
        every: every.0,
        thresholds: (expiring, expiring_now),
        aliases: layer.owners.aliases.clone(),
        rules,
        notify: layer.notify.clone(),
    })
}

/// What is asked of the DNS, if anything is.
fn dns(layer: &DnsLayer, resolver: &mut Resolver<'_>) -> Result<Option<Arc<Dns>>, ConfigError> {
    let tlsa = resolver.switch("dns.tlsa", "tlsa", false, layer.tlsa.clone());
    let caa = resolver.switch("dns.caa", "caa", false, layer.caa.clone());
    let named = resolver.optional("dns.resolver", "resolver", None, layer.resolver.clone());
    if !tlsa && !caa {
        return Ok(None);
    }
    let servers = if let Some(named) = named {
        let address = |text: &String| {
            let ip = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
            ip.or_else(|_with_port| text.parse()).map_err(|_neither| {
                let reason = format!("`{text}` is no address (examples: 127.0.0.1, [::1]:5353)");
                resolver.mistake("dns.resolver", reason)
            })
        };
        named.iter().map(address).collect::<Result<Vec<_>, _>>()?
    } else {
        let text = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
        let servers = Servers::parse(&text);
        if tlsa && !servers.trusted {
            let reason = format!(
                "{RESOLV_CONF} does not say `options trust-ad`; name a resolver that validates \
                 DNSSEC in dns.resolver"
            );
            return Err(resolver.mistake("dns.tlsa", reason));
        }
        servers.addresses
    };
    if servers.is_empty() {
        return Err(resolver.mistake("dns.resolver", "names no resolver"));
    }
    Ok(Some(Arc::new(Dns {
        resolver: dns::Resolver::new(servers),
        tlsa,
        caa,
    })))
}

impl Settings {
    /// The root set the settings name.
    pub(crate) fn roots(&self) -> Result<Roots, Error> {
        let roots = match self.public_roots.as_str() {
            "mozilla" => Roots::mozilla(),
            "native" => Roots::native()?,
            file => Roots::file(Path::new(file))?,
        };
        Ok(match self.local_roots.as_str() {
            "none" => roots,
            "native" => roots.with_local_native()?,
            file => roots.with_local_file(Path::new(file))?,
        })
    }

    /// A judge that knows only the roots and the aliases.
    pub(crate) fn judge(&self) -> Result<Judge, Error> {
        Ok(Judge::new(
            self.roots()?,
            Owners::new(&self.aliases, Ccadb::default()),
        ))
    }

    pub(crate) fn open(&self, how: Open) -> Result<Store, Error> {
        Ok(Store::open(&self.store, &self.login, how)?)
    }

    /// A judge that knows what the store knows.
    pub(crate) fn judge_with(&self, store: &mut Store) -> Result<Judge, Error> {
        let mut judge = Judge::new(self.roots()?, Owners::new(&self.aliases, store.ccadb()?));
        judge.logs = store.logs()?;
        for der in store.ca_certificates()? {
            if let Some(cert) = crate::cert::Cert::parse(&der) {
                judge.pool.add(&Arc::new(cert));
            }
        }
        Ok(judge)
    }
}

fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_valid_file() {
        let layer: Layer = toml::from_str(include_str!("../dist/certwatch.toml")).unwrap();
        assert_eq!(layer.probe.own_networks.len(), 1);
        assert!(Rule::try_from(layer.rule[0].get_ref()).is_ok());
        assert!(matches!(layer.notify, Some(Channel::Mail { .. })));
    }
}
