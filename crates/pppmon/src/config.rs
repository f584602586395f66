//! The configuration: the file as written (all optional) and the resolved [`Settings`].
//!
//! Every mistake is reported with the place in the file, also those that only show when two
//! entries are compared: a device used twice, two bundles with one interface or address.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use nightshift_common::config::{ConfigError, Loaded};
use nightshift_common::human::Span;
use serde::{Deserialize, Serialize};
use toml::Spanned;

pub use settings::{BundleSettings, LinkSettings, Settings, WatchdogSettings};

use crate::link::Timing;
use crate::link_kind::Kind;
use crate::pool::Range;
use crate::prefix::Prefix;

/// How a bundle is run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The supervisor owns the interface; links join and leave it.
    #[default]
    Keeper,
    /// pppd owns the interface; routes are put back when it returns.
    Classic,
}

/// Where packets go while a classic bundle is down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// Wherever the other routes lead.
    None,
    /// Senders are told that the network is unreachable.
    #[default]
    Unreachable,
    /// Nowhere, silently.
    Blackhole,
}

/// The peer's address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub enum Remote {
    /// Whatever the peer says.
    #[default]
    FromPeer,
    /// This one.
    Address(Ipv4Addr),
    /// One of the hub's pool.
    Pool,
}

impl TryFrom<String> for Remote {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "from-peer" => Ok(Self::FromPeer),
            "pool" => Ok(Self::Pool),
            _ => text.parse().map(Self::Address).map_err(|_not_an_address| {
                format!("{text:?} is neither an address nor `from-peer` nor `pool`")
            }),
        }
    }
}

/// What the watchdog does when nothing answers, in the order given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Restart every link of every bundle.
    Relink,
    /// Restart the bundles with fresh sequence numbers.
    RestartBundle,
    /// Stop feeding the hardware watchdog.
    StopFeeding,
    /// Restart the machine.
    Reboot,
}

impl Step {
    /// As said in the log.
    pub fn text(self) -> &'static str {
        match self {
            Self::Relink => "restarting all links",
            Self::RestartBundle => "restarting all bundles",
            Self::StopFeeding => "no longer feeding the hardware watchdog",
            Self::Reboot => "restarting the machine",
        }
    }
}

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileLayer {
    defaults: DefaultsLayer,
    hub: HubLayer,
    watchdog: Option<WatchdogLayer>,
    bundle: Vec<BundleLayer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "snake_case")]
struct DefaultsLayer {
    pppd: Option<PathBuf>,
    database: Option<PathBuf>,
    state_dir: Option<PathBuf>,
    run_dir: Option<PathBuf>,
    lcp_echo: Option<Spanned<(u32, u32)>>,
    mrru: Option<Spanned<u32>>,
    backoff_max: Option<Span>,
    auth_backoff: Option<Spanned<(Span, Span)>>,
    stable_after: Option<Span>,
    holder: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HubLayer {
    pool: Option<Spanned<Range>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WatchdogLayer {
    ping: Vec<Ipv4Addr>,
    timeout: Spanned<Span>,
    boot_timeout: Option<Span>,
    interval: Option<Spanned<Span>>,
    device: Option<PathBuf>,
    action: Option<Vec<Step>>,
    max_reboots_per_hour: Option<u32>,
    dry_run: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BundleLayer {
    name: Spanned<String>,
    ifname: Option<Spanned<String>>,
    #[serde(default)]
    mode: Mode,
    local: Option<Spanned<Ipv4Addr>>,
    remote: Option<Spanned<Remote>>,
    #[serde(default)]
    ipv6: bool,
    min_links: Option<Spanned<usize>>,
    #[serde(default)]
    routes: Vec<Prefix>,
    fallback: Option<Spanned<Fallback>>,
    #[serde(default)]
    short_sequences: bool,
    remote_name: Option<Spanned<String>>,
    user: Option<Spanned<String>>,
    #[serde(default)]
    require_auth: bool,
    up: Option<Vec<String>>,
    down: Option<Vec<String>>,
    holdoff: Option<Span>,
    #[serde(default)]
    link: Vec<LinkLayer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkLayer {
    name: Option<Spanned<String>>,
    tty: Option<Spanned<PathBuf>>,
    speed: Option<u32>,
    command: Option<Spanned<String>>,
    pppoe: Option<Spanned<String>>,
    service: Option<String>,
    concentrator: Option<String>,
    dahdi: Option<Spanned<u32>>,
    args: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    options: Vec<String>,
    #[serde(default)]
    carrier: bool,
}

const SPEED: u32 = 115_200;

/// Turns the file into settings, or says where the first mistake is.
pub fn resolve(loaded: &Loaded<FileLayer>) -> Result<Settings, ConfigError> {
    let layer = &loaded.layer;
    let defaults = &layer.defaults;
    let at = |span, reason: String| Err(loaded.error_at(span, reason));

    let lcp_echo = defaults
        .lcp_echo
        .as_ref()
        .map_or((1, 2), |echo| *echo.get_ref());
    if let Some(echo) = &defaults.lcp_echo
        && (lcp_echo.0 == 0 || lcp_echo.1 == 0)
    {
        return at(
            echo.span(),
            "both numbers of lcp_echo must be at least 1".into(),
        );
    }
    let mrru = defaults.mrru.as_ref().map_or(1500, |mrru| *mrru.get_ref());
    if let Some(spanned) = &defaults.mrru
        && !(68..=2040).contains(&mrru)
    {
        return at(
            spanned.span(),
            format!("mrru {mrru} is not between 68 and 2040"),
        );
    }
    let mut timing = Timing::default();
    if let Some(span) = defaults.backoff_max {
        timing.backoff_max = span.0;
    }
    if let Some(spanned) = &defaults.auth_backoff {
        let (first, max) = *spanned.get_ref();
        if first.0 > max.0 {
            return at(
                spanned.span(),
                "the first auth_backoff is longer than the last".into(),
            );
        }
        timing.auth = (first.0, max.0);
    }
    if let Some(span) = defaults.stable_after {
        timing.stable_after = span.0;
    }

    let mut seen = Seen::default();
    let mut bundles = Vec::new();
    for bundle in &layer.bundle {
        bundles.push(resolve_bundle(
            loaded, bundle, timing, mrru, lcp_echo, &mut seen,
        )?);
    }
    if bundles.is_empty() {
        return at(0..0, "no [[bundle]] is configured".into());
    }
    Ok(Settings {
        pppd: defaults
            .pppd
            .clone()
            .unwrap_or_else(|| "/usr/sbin/pppd".into()),
        database: defaults.database.clone(),
        state_dir: defaults
            .state_dir
            .clone()
            .unwrap_or_else(|| STATE_DIR.into()),
        run_dir: defaults.run_dir.clone().unwrap_or_else(|| RUN_DIR.into()),
        holder: defaults.holder.unwrap_or(true),
        pool: layer.hub.pool.as_ref().map(|pool| *pool.get_ref()),
        watchdog: layer
            .watchdog
            .as_ref()
            .map(|w| resolve_watchdog(loaded, w))
            .transpose()?,
        bundles,
    })
}

const STATE_DIR: &str = "/var/lib/nightshift/pppmon";
const RUN_DIR: &str = "/run/nightshift/pppmon";

/// What may be used once, and where it was.
#[derive(Default)]
struct Seen {
    used: HashMap<String, String>,
}

impl Seen {
    fn claim(&mut self, what: String, bundle: &str) -> Result<(), String> {
        if let Some(other) = self.used.get(&what) {
            return Err(format!("{what} is already used by bundle {other}"));
        }
        self.used.insert(what, bundle.to_owned());
        Ok(())
    }
}

fn resolve_bundle(
    loaded: &Loaded<FileLayer>,
    bundle: &BundleLayer,
    timing: Timing,
    mrru: u32,
    lcp_echo: (u32, u32),
    seen: &mut Seen,
) -> Result<BundleSettings, ConfigError> {
    let at = |span, reason: String| loaded.error_at(span, reason);
    let name = bundle.name.get_ref().clone();
    let span = bundle.name.span();
    if !is_plain(&name) {
        let reason = format!("bundle name {name:?} may only have letters, digits, `_`, `.`, `-`");
        return Err(at(span, reason));
    }
    seen.claim(format!("the name {name}"), &name)
        .map_err(|reason| at(span.clone(), reason))?;
    if let Some(ifname) = &bundle.ifname {
        let text = ifname.get_ref();
        if text.is_empty() || text.len() > 15 || !is_plain(text) {
            return Err(at(
                ifname.span(),
                format!("{text:?} cannot be an interface name"),
            ));
        }
        seen.claim(format!("interface {text}"), &name)
            .map_err(|r| at(ifname.span(), r))?;
    }
    if let Some(local) = &bundle.local {
        seen.claim(format!("address {}", local.get_ref()), &name)
            .map_err(|reason| at(local.span(), reason))?;
    }
    let remote = bundle
        .remote
        .as_ref()
        .map_or(Remote::FromPeer, |remote| *remote.get_ref());
    if let (Remote::Address(address), Some(remote)) = (remote, &bundle.remote) {
        seen.claim(format!("address {address}"), &name)
            .map_err(|r| at(remote.span(), r))?;
    }
    if let (Remote::Pool, Some(remote)) = (remote, &bundle.remote)
        && loaded.layer.hub.pool.is_none()
    {
        return Err(at(
            remote.span(),
            "remote = \"pool\" needs a pool in [hub]".into(),
        ));
    }
    for (name, value) in [("remote_name", &bundle.remote_name), ("user", &bundle.user)] {
        if let Some(value) = value
            && value.get_ref().contains(['\n', '\0', '\r'])
        {
            return Err(at(value.span(), format!("{name} has control characters")));
        }
    }
    if let Some(fallback) = &bundle.fallback
        && bundle.mode == Mode::Keeper
    {
        let reason = "fallback is for mode = \"classic\": a kept interface leaks nothing";
        return Err(at(fallback.span(), reason.into()));
    }
    if bundle.link.is_empty() {
        return Err(at(span, format!("bundle {name} has no [[bundle.link]]")));
    }
    let mut links = Vec::new();
    for (n, link) in bundle.link.iter().enumerate() {
        links.push(resolve_link(loaded, &name, &span, n, link, seen)?);
    }
    let min_links = bundle.min_links.as_ref().map_or(1, |min| *min.get_ref());
    if let Some(min) = &bundle.min_links
        && (min_links == 0 || min_links > links.len())
    {
        let reason = format!("min_links {min_links} is not between 1 and {}", links.len());
        return Err(at(min.span(), reason));
    }
    if bundle.mode == Mode::Classic && links.len() > 1 {
        return Err(at(
            span,
            format!("bundle {name}: classic mode takes one link"),
        ));
    }
    Ok(BundleSettings {
        name,
        ifname: bundle
            .ifname
            .as_ref()
            .map(|ifname| ifname.get_ref().clone()),
        mode: bundle.mode,
        local: bundle.local.as_ref().map(|local| *local.get_ref()),
        remote,
        ipv6: bundle.ipv6,
        min_links,
        routes: bundle.routes.clone(),
        fallback: bundle
            .fallback
            .as_ref()
            .map_or(Fallback::Unreachable, |f| *f.get_ref()),
        short_sequences: bundle.short_sequences,
        remote_name: bundle
            .remote_name
            .as_ref()
            .map(|name| name.get_ref().clone()),
        user: bundle.user.as_ref().map(|user| user.get_ref().clone()),
        require_auth: bundle.require_auth,
        up: bundle.up.clone(),
        down: bundle.down.clone(),
        timing: Timing {
            holdoff: bundle.holdoff.map_or(Duration::ZERO, |span| span.0),
            ..timing
        },
        mrru,
        lcp_echo,
        links,
    })
}

fn resolve_link(
    loaded: &Loaded<FileLayer>,
    bundle: &str,
    bundle_span: &std::ops::Range<usize>,
    number: usize,
    link: &LinkLayer,
    seen: &mut Seen,
) -> Result<LinkSettings, ConfigError> {
    let mut kinds = Vec::new();
    if let Some(tty) = &link.tty {
        let (device, speed) = (tty.get_ref().clone(), link.speed.unwrap_or(SPEED));
        kinds.push((tty.span(), Kind::Tty { device, speed }));
    }
    if let Some(command) = &link.command {
        kinds.push((command.span(), Kind::Command(command.get_ref().clone())));
    }
    if let Some(device) = &link.pppoe {
        let kind = Kind::Pppoe {
            device: device.get_ref().clone(),
            service: link.service.clone(),
            concentrator: link.concentrator.clone(),
        };
        kinds.push((device.span(), kind));
    }
    if let Some(span) = &link.dahdi {
        kinds.push((span.span(), Kind::Dahdi(*span.get_ref())));
    }
    if let Some(args) = &link.args {
        kinds.push((args.span(), Kind::Args(args.get_ref().clone())));
    }
    let at = |span, reason: String| loaded.error_at(span, reason);
    let (span, kind) = match kinds.as_slice() {
        [one] => one.clone(),
        [] => {
            let reason = format!(
                "link {} of bundle {bundle} needs one of tty, command, pppoe, dahdi, args",
                number + 1
            );
            return Err(at(bundle_span.clone(), reason));
        }
        [_, second, ..] => {
            return Err(at(
                second.0.clone(),
                "a link is of one kind; this is the second".into(),
            ));
        }
    };
    if let Some(device) = kind.exclusive() {
        seen.claim(device, bundle)
            .map_err(|reason| at(span, reason))?;
    }
    let name = match &link.name {
        Some(name) if is_plain(name.get_ref()) => name.get_ref().clone(),
        Some(name) => {
            let reason = format!(
                "link name {:?} may only have letters, digits, `_`, `.`, `-`",
                name.get_ref()
            );
            return Err(at(name.span(), reason));
        }
        None => format!("link{}", number + 1),
    };
    let name_span = link
        .name
        .as_ref()
        .map_or(bundle_span.clone(), Spanned::span);
    seen.claim(format!("link name {bundle}/{name}"), bundle)
        .map_err(|r| at(name_span, r))?;
    Ok(LinkSettings {
        name,
        kind,
        options: link.options.clone(),
        carrier: link.carrier,
    })
}

fn resolve_watchdog(
    loaded: &Loaded<FileLayer>,
    layer: &WatchdogLayer,
) -> Result<WatchdogSettings, ConfigError> {
    let timeout = layer.timeout.get_ref().0;
    let at = |span, reason: &str| Err(loaded.error_at(span, reason));
    if timeout < Duration::from_secs(1) {
        return at(
            layer.timeout.span(),
            "a watchdog timeout below 1 s is not useful",
        );
    }
    if layer.ping.is_empty() {
        return at(layer.timeout.span(), "the watchdog has nobody to ping");
    }
    let interval = layer
        .interval
        .as_ref()
        .map_or(Duration::from_secs(1), |span| span.get_ref().0);
    if let Some(span) = &layer.interval
        && (interval.is_zero() || interval > timeout)
    {
        return at(
            span.span(),
            "the ping interval must lie between 0 and the timeout",
        );
    }
    Ok(WatchdogSettings {
        ping: layer.ping.clone(),
        timeout,
        boot_timeout: layer.boot_timeout.map_or(timeout * 2, |span| span.0),
        interval,
        device: layer.device.clone(),
        action: layer
            .action
            .clone()
            .unwrap_or_else(|| vec![Step::Relink, Step::RestartBundle]),
        max_reboots_per_hour: layer.max_reboots_per_hour.unwrap_or(2),
        dry_run: layer.dry_run.unwrap_or(false),
    })
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

mod settings;
#[cfg(test)]
mod tests;
