//! What the control socket asks for, and taking a new configuration over.

use tracing::info;

use super::Supervisor;
use crate::config;
use crate::control::{Answer, Request};
use crate::link;
use crate::route::Route;

impl Supervisor<'_> {
    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        match request {
            Request::Status => Answer {
                status: Some(self.status()),
                ..Answer::default()
            },
            Request::Routes { bundle } => self.routes(bundle.as_deref()),
            Request::Up { target } | Request::Down { target } | Request::Restart { target } => {
                self.switch(request, target)
            }
            Request::Resync { target } if target.contains('/') => {
                Answer::refused("a resynchronisation is for a bundle, not for a link")
            }
            Request::Resync { target } => self.switch(
                &Request::Restart {
                    target: target.clone(),
                },
                target,
            ),
            Request::Reload => self.reload(),
            Request::Release => {
                self.release = true;
                Answer::default()
            }
        }
    }

    fn switch(&mut self, request: &Request, target: &str) -> Answer {
        let now = self.now();
        let (name, link) = match target.split_once('/') {
            Some((name, link)) => (name, Some(link)),
            None => (target, None),
        };
        if let Some(classic) = self.classics.iter_mut().find(|c| c.settings().name == name) {
            if link.is_some_and(|link| classic.settings().links[0].name != link) {
                return Answer::refused(format!("there is no link {target}"));
            }
            match request {
                Request::Up { .. } => classic.start(&mut self.shared, now),
                Request::Down { .. } => drop(classic.stop(&mut self.shared, now)),
                _ => classic.restart(&mut self.shared, now),
            }
            return Answer::default();
        }
        let Some(keeper) = self.keepers.iter_mut().find(|k| k.settings().name == name) else {
            return Answer::refused(format!("there is no bundle {name}"));
        };
        let index = link.map(|link| keeper.settings().links.iter().position(|l| l.name == link));
        let shared = &mut self.shared;
        match (request, index) {
            (_, Some(None)) => return Answer::refused(format!("there is no link {target}")),
            (Request::Up { .. }, None) => keeper.decide(|b| b.start(now), shared, now),
            (Request::Down { .. }, None) => keeper.decide(|b| b.stop(now), shared, now),
            (_, None) => keeper.decide(|b| b.restart(now), shared, now),
            (Request::Up { .. }, Some(Some(index))) => {
                keeper.decide(|b| b.link_up(index, now), shared, now);
            }
            (Request::Down { .. }, Some(Some(index))) => {
                keeper.decide(|b| b.link_down(index, now), shared, now);
            }
            (_, Some(Some(index))) => keeper.decide(|b| b.link_restart(index, now), shared, now),
        }
        Answer::default()
    }

    /// Routes through the interfaces, and those that classic bundles remember.
    fn routes(&mut self, bundle: Option<&str>) -> Answer {
        let wanted = |name: &str| bundle.is_none_or(|bundle| bundle == name);
        let mut messages = Vec::new();
        for v6 in [false, true] {
            match self.shared.netlink.routes(v6) {
                Ok(found) => messages.extend(found),
                Err(error) => return Answer::refused(format!("cannot read the routes: {error}")),
            }
        }
        let mut lines = Vec::new();
        let mut known = false;
        for keeper in self.keepers.iter().filter(|k| wanted(&k.settings().name)) {
            known = true;
            let (name, ifname) = (&keeper.settings().name, keeper.ifname());
            let found = messages
                .iter()
                .filter_map(|m| Route::through(m, keeper.ifindex()));
            lines.extend(found.map(|route| format!("{name}: {route} dev {ifname}")));
        }
        for classic in self.classics.iter().filter(|c| wanted(&c.settings().name)) {
            known = true;
            let name = &classic.settings().name;
            let kept = classic.remembered();
            let addresses = kept.addresses.iter().map(|a| format!("address {a}"));
            let routes = kept.routes.iter().map(ToString::to_string);
            lines.extend(
                addresses
                    .chain(routes)
                    .map(|kept| format!("{name}: {kept} (remembered)")),
            );
        }
        if !known {
            return Answer::refused(format!("there is no bundle {}", bundle.unwrap_or_default()));
        }
        Answer {
            routes: Some(lines),
            ..Answer::default()
        }
    }

    /// Takes a new configuration over: bundles that did not change are not touched, except that
    /// links whose options pppd refused are tried again.
    pub(super) fn reload(&mut self) -> Answer {
        let settings = match (self.reread)() {
            Ok(settings) => settings,
            Err(error) => return Answer::refused(nightshift_common::error::chain(&error)),
        };
        let now = self.now();
        let same = |a: &config::BundleSettings, b: &config::BundleSettings| {
            format!("{a:?}") == format!("{b:?}")
        };
        let mut kept = Vec::new();
        for mut keeper in std::mem::take(&mut self.keepers) {
            if settings
                .bundles
                .iter()
                .any(|bundle| same(bundle, keeper.settings()))
            {
                let refused: Vec<usize> = (0..keeper.bundle().links().len())
                    .filter(|&n| keeper.bundle().links()[n].state() == link::State::ConfigError)
                    .collect();
                for index in refused {
                    keeper.decide(|b| b.link_up(index, now), &mut self.shared, now);
                }
                kept.push(keeper);
                continue;
            }
            let name = keeper.settings().name.clone();
            info!(bundle = name, "changed or removed by the new configuration");
            keeper.stop(&mut self.shared, now);
            keeper.withdraw(&self.shared);
            if !settings.bundles.iter().any(|bundle| bundle.name == name) {
                self.keeping.release(&name);
            }
        }
        self.keepers = kept;
        let mut kept = Vec::new();
        for mut classic in std::mem::take(&mut self.classics) {
            if settings
                .bundles
                .iter()
                .any(|bundle| same(bundle, classic.settings()))
            {
                kept.push(classic);
            } else {
                classic.stop(&mut self.shared, now);
                classic.withdraw(&mut self.shared);
            }
        }
        self.classics = kept;
        self.settings = settings;
        let mut problems = Vec::new();
        for bundle in self.settings.bundles.clone() {
            let known = self
                .keepers
                .iter()
                .any(|k| k.settings().name == bundle.name)
                || self
                    .classics
                    .iter()
                    .any(|c| c.settings().name == bundle.name);
            if !known {
                let name = bundle.name.clone();
                match self.add_bundle(bundle) {
                    Ok(()) => self.start_bundle(&name),
                    Err(error) => problems.push(format!(
                        "{name}: {}",
                        nightshift_common::error::chain(&error)
                    )),
                }
            }
        }
        if problems.is_empty() {
            Answer::default()
        } else {
            Answer::refused(problems.join("; "))
        }
    }
}
