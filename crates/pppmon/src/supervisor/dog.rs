//! Carries out what the watchdog orders.

use std::time::Duration;

use tracing::{error, warn};

use super::Supervisor;
use crate::bundle::State;
use crate::config::{Step, WatchdogSettings};
use crate::error::Error;
use crate::watchdog::{self, Device, Order, Pinger, Reboots, Watchdog};

/// The watchdog with its senses and hands.
pub(super) struct Dog {
    settings: WatchdogSettings,
    pub(super) mind: Watchdog,
    pub(super) pinger: Pinger,
    device: Option<Device>,
}

impl Dog {
    pub(super) fn new(settings: &WatchdogSettings, now: Duration) -> Result<Self, Error> {
        let device = match &settings.device {
            Some(path) if !settings.dry_run => Some(
                Device::open(path, settings.timeout)
                    .map_err(Error::system("open the hardware watchdog"))?,
            ),
            _ => None,
        };
        Ok(Self {
            mind: Watchdog::new(settings, now),
            pinger: Pinger::new(&settings.ping).map_err(Error::system("open an ICMP socket"))?,
            settings: settings.clone(),
            device,
        })
    }
}

impl Supervisor<'_> {
    pub(super) fn listen_for_pings(&mut self, now: Duration) {
        if let Some(dog) = &mut self.watchdog
            && dog.pinger.heard()
            && dog.mind.answered(now)
        {
            tracing::debug!("a ping was answered for the first time");
        }
    }

    pub(super) fn watch_dog(&mut self, now: Duration) {
        let Some(dog) = &mut self.watchdog else {
            return;
        };
        if dog.mind.deadline() > now {
            return;
        }
        let mut steps = Vec::new();
        for order in dog.mind.tick(now) {
            match order {
                Order::Ping => {
                    dog.pinger.ask();
                    if let Some(device) = &dog.device {
                        device.feed();
                    }
                }
                Order::Act(step) => steps.push(step),
            }
        }
        let dry_run = dog.settings.dry_run;
        for step in steps {
            let would = if dry_run { " (dry run: not done)" } else { "" };
            warn!("watchdog: nobody answers, {}{would}", step.text());
            if !dry_run {
                self.act(step, now);
            }
        }
    }

    fn act(&mut self, step: Step, now: Duration) {
        match step {
            Step::Relink => {
                for keeper in &mut self.keepers {
                    for index in 0..keeper.bundle().links().len() {
                        if keeper.bundle().links()[index].is_wanted() {
                            keeper.decide(|b| b.link_restart(index, now), &mut self.shared, now);
                        }
                    }
                }
            }
            Step::RestartBundle => {
                for keeper in &mut self.keepers {
                    if keeper.bundle().state() != State::Down {
                        keeper.decide(|b| b.restart(now), &mut self.shared, now);
                    }
                }
            }
            Step::StopFeeding => {
                let starving = self
                    .watchdog
                    .as_ref()
                    .and_then(|dog| dog.device.as_ref())
                    .map(Device::is_starving);
                // Without a device nothing would happen, and nothing needs noting.
                if starving == Some(false)
                    && self.may_restart()
                    && let Some(device) = self.watchdog.as_mut().and_then(|dog| dog.device.as_mut())
                {
                    rustix::fs::sync();
                    device.starve();
                }
            }
            Step::Reboot => {
                if self.may_restart()
                    && let Err(error) = watchdog::reboot()
                {
                    error!(%error, "cannot restart the machine");
                }
            }
        }
    }

    /// Notes a restart of the machine, unless there were too many lately.
    fn may_restart(&self) -> bool {
        let max = self
            .watchdog
            .as_ref()
            .map_or(0, |dog| dog.settings.max_reboots_per_hour);
        match Reboots::new(&self.settings.state_dir, max).note() {
            Ok(true) => true,
            Ok(false) => {
                error!("restarted {max} times within the hour already, not again");
                false
            }
            Err(error) => {
                let text = nightshift_common::error::chain(&error);
                error!("cannot note the restart, so it is not done: {text}");
                false
            }
        }
    }
}
