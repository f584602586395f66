//! The pppds of a keeper: starting, hearing and ending them.

use std::process::{Command, Stdio};
use std::time::Duration;

use nightshift_common::escape::Escaped;
use rustix::process::Signal;
use tracing::{debug, error, info, warn};

use super::{Keeper, Shared};
use crate::advert;
use crate::exit_policy;
use crate::link;
use crate::link_kind;
use crate::output::{self, Line};
use crate::pppd::Process;
use crate::tdb::Tdb;
use crate::unit;

impl Keeper {
    /// A pppd has printed something or ended.
    pub fn read_process(&mut self, index: usize, shared: &mut Shared, now: Duration) {
        let (lines, exit) = Process::hear(&mut self.processes[index]);
        for line in lines {
            let name = &self.settings.links[index].name;
            debug!(
                bundle = self.settings.name,
                link = name,
                "pppd: {}",
                Escaped::text(&line)
            );
            if output::parse(&line) == Some(Line::EchoLost) && line.starts_with(b"No response") {
                self.echo_losses[index] += 1;
            }
            if output::parse(&line) == Some(Line::Attached) {
                self.watch_unit = true;
            }
            self.decide(|bundle| bundle.link_line(index, &line, now), shared, now);
        }
        if let Some(exit) = exit {
            let name = &self.settings.links[index].name;
            let text = exit_policy::describe(exit);
            info!(
                bundle = self.settings.name,
                link = name,
                "pppd ended: {text}"
            );
            self.decide(|bundle| bundle.link_exited(index, exit, now), shared, now);
        }
    }

    pub(super) fn perform_link(
        &mut self,
        index: usize,
        action: link::Action,
        shared: &mut Shared,
        now: Duration,
    ) {
        let link = &self.settings.links[index];
        match action {
            link::Action::Spawn => {
                let arguments = link_kind::pppd_arguments(&self.settings, link);
                let spawned = self
                    .publish(shared)
                    .map_err(|error| nightshift_common::error::chain(&error))
                    .and_then(|()| {
                        Process::spawn(&shared.pppd, &arguments)
                            .map_err(|error| format!("cannot start pppd: {error}"))
                    });
                match spawned {
                    Ok(process) => {
                        let pid = process.pid();
                        debug!(
                            bundle = self.settings.name,
                            link = link.name,
                            pid,
                            "pppd started"
                        );
                        self.processes[index] = Some(process);
                    }
                    Err(reason) => {
                        warn!(bundle = self.settings.name, link = link.name, "{reason}");
                        let actions = self.bundle.spawn_failed(index, reason, now);
                        self.todo.extend(actions);
                    }
                }
            }
            link::Action::Terminate | link::Action::Kill => {
                let signal = if action == link::Action::Kill {
                    Signal::KILL
                } else {
                    Signal::TERM
                };
                if let Some(process) = &self.processes[index] {
                    process.signal(signal);
                }
            }
            link::Action::Detach => {
                if let Some(terminal) = link.kind.terminal() {
                    match unit::detach_terminal(terminal) {
                        Ok(true) => {
                            debug!(
                                bundle = self.settings.name,
                                link = link.name,
                                "channel detached"
                            );
                        }
                        Ok(false) => {}
                        Err(error) => {
                            debug!(bundle = self.settings.name, link = link.name, %error, "cannot detach");
                        }
                    }
                }
            }
            link::Action::LoadModules => {
                let result = Command::new("modprobe")
                    .args(["-a", "ppp_generic", "ppp_async", "ppp_synctty"])
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status();
                warn!(
                    bundle = self.settings.name,
                    ?result,
                    "no PPP in the kernel; ran modprobe"
                );
            }
        }
    }

    pub(super) fn explain_mismatch(&self, index: usize, shared: &Shared) {
        let wanted = self.processes[index].as_ref().and_then(|process| {
            let tdb = Tdb::open(&shared.database).ok()?;
            advert::wanted_key(&tdb, process.pid()).ok()?
        });
        let advertised = String::from_utf8_lossy(&self.advert.key()).into_owned();
        let link = &self.settings.links[index].name;
        let database = shared.database.display().to_string();
        let bundle = &self.settings.name;
        if let Some(wanted) = wanted {
            error!(
                bundle,
                link,
                "key-mismatch: pppd looked for {wanted}, we advertise {advertised} in {database}"
            );
        } else {
            error!(
                bundle,
                link,
                "key-mismatch: pppd does not use the database {database}, where we advertise \
                 {advertised}; set `database` in [defaults] to the one it uses"
            );
        }
    }
}
