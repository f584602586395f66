//! Kinds of lines, and the pppd command line for each.
//!
//! pppd always reads /etc/ppp/options and options.TTY first, so every option the supervisor
//! depends on is stated here, whatever those files say.

use std::path::{Path, PathBuf};

use crate::config::{BundleSettings, LinkSettings, Mode};

/// What a link runs over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A serial line.
    Tty {
        /// The device.
        device: PathBuf,
        /// Bits per second.
        speed: u32,
    },
    /// A command whose standard input and output are the line.
    Command(String),
    /// PPP over Ethernet.
    Pppoe {
        /// The Ethernet interface.
        device: String,
        /// Service asked for.
        service: Option<String>,
        /// Access concentrator asked for.
        concentrator: Option<String>,
    },
    /// A DAHDI span. Not verified on hardware.
    Dahdi(u32),
    /// Whatever the administrator wants pppd to do.
    Args(Vec<String>),
}

impl Kind {
    /// What no other link may use.
    pub fn exclusive(&self) -> Option<String> {
        match self {
            Self::Tty { device, .. } => Some(format!("line {}", device.display())),
            Self::Dahdi(span) => Some(format!("DAHDI span {span}")),
            // One Ethernet interface carries many sessions; a command may connect anywhere.
            Self::Pppoe { .. } | Self::Command(_) | Self::Args(_) => None,
        }
    }

    /// The terminal whose channel may have to be detached.
    pub fn terminal(&self) -> Option<&Path> {
        match self {
            Self::Tty { device, .. } => Some(device),
            _ => None,
        }
    }

    fn arguments(&self) -> Vec<String> {
        match self {
            Self::Tty { device, speed } => {
                vec![device.display().to_string(), speed.to_string()]
            }
            Self::Command(command) => vec!["pty".into(), command.clone()],
            Self::Pppoe {
                device,
                service,
                concentrator,
            } => {
                let mut words = vec!["plugin".into(), "pppoe.so".into(), format!("nic-{device}")];
                for (option, value) in [("pppoe-service", service), ("pppoe-ac", concentrator)] {
                    if let Some(value) = value {
                        words.extend([option.to_owned(), value.clone()]);
                    }
                }
                words
            }
            Self::Dahdi(span) => {
                vec!["plugin".into(), "dahdi.so".into(), span.to_string()]
            }
            Self::Args(args) => args.clone(),
        }
    }
}

/// pppd's arguments for a link.
pub fn pppd_arguments(bundle: &BundleSettings, link: &LinkSettings) -> Vec<String> {
    let mut words = link.kind.arguments();
    let mut push = |text: &str| words.extend(text.split_whitespace().map(str::to_owned));
    push("nodetach nopersist");
    let (interval, failures) = bundle.lcp_echo;
    push(&format!(
        "lcp-echo-interval {interval} lcp-echo-failure {failures}"
    ));
    match bundle.mode {
        Mode::Keeper => {
            push(&format!("multilink mrru {}", bundle.mrru));
            if !bundle.short_sequences {
                push("nompshortseq");
            }
            push(&format!("noendpoint bundle {}", bundle.name));
            // With 0 in place of 1 pppd would end without waiting for an answer to its goodbye,
            // and on its way out discard what the line has not sent yet: the goodbye itself.
            push("noip noipv6 noccp novj nodefaultroute lcp-restart 1 lcp-max-terminate 1");
        }
        Mode::Classic => {
            let address = |address: Option<std::net::Ipv4Addr>| {
                address
                    .map(|address| address.to_string())
                    .unwrap_or_default()
            };
            let remote = match bundle.remote {
                crate::config::Remote::Address(address) => Some(address),
                _ => None,
            };
            if bundle.local.is_some() || remote.is_some() {
                push(&format!("{}:{}", address(bundle.local), address(remote)));
            }
            if let Some(ifname) = &bundle.ifname {
                push(&format!("ifname {ifname}"));
            }
        }
    }
    // With the PPPoE plugin pppd knows no options of terminals and refuses to start.
    if !matches!(link.kind, Kind::Pppoe { .. }) {
        push(if link.carrier { "modem" } else { "local" });
        push("nocrtscts");
    }
    push(if bundle.require_auth {
        "auth"
    } else {
        "noauth"
    });
    if let Some(user) = &bundle.user {
        words.extend(["user".to_owned(), user.clone()]);
    }
    if let Some(name) = &bundle.remote_name {
        words.extend(["remotename".to_owned(), name.clone()]);
    }
    words.extend(link.options.iter().cloned());
    words
}

/// A command line as a shell would take it.
pub fn shell_line(program: &Path, arguments: &[String]) -> String {
    let mut line = program.display().to_string();
    for word in arguments {
        line.push(' ');
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@+%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            line.push_str(word);
        } else {
            line.push('\'');
            line.push_str(&word.replace('\'', r"'\''"));
            line.push('\'');
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(extra: &str, link: &str) -> String {
        let text = format!("[[bundle]]\nname = \"a\"\n{extra}[[bundle.link]]\n{link}\n");
        let loaded = nightshift_common::config::parse(Path::new("t"), text).unwrap();
        let settings = crate::config::resolve(&loaded).unwrap();
        let bundle = &settings.bundles[0];
        shell_line(&settings.pppd, &pppd_arguments(bundle, &bundle.links[0]))
    }

    #[test]
    fn the_line_of_each_kind() {
        let keeper = "nodetach nopersist lcp-echo-interval 1 lcp-echo-failure 2 multilink mrru \
                      1500 nompshortseq noendpoint bundle a noip noipv6 noccp novj nodefaultroute \
                      lcp-restart 1 lcp-max-terminate 1 ";
        for (link, start) in [
            ("tty = \"/dev/ttyS0\"\nspeed = 38400", "/dev/ttyS0 38400"),
            ("command = \"ssh hub ppp\"", "pty 'ssh hub ppp'"),
            (
                "pppoe = \"eth1\"\nservice = \"dsl\"",
                "plugin pppoe.so nic-eth1 pppoe-service dsl",
            ),
            ("dahdi = 2", "plugin dahdi.so 2"),
            ("args = [\"/dev/ttyUSB0\", \"57600\"]", "/dev/ttyUSB0 57600"),
        ] {
            let terminal = if link.starts_with("pppoe") {
                ""
            } else {
                "local nocrtscts "
            };
            let expected = format!("/usr/sbin/pppd {start} {keeper}{terminal}noauth");
            assert_eq!(line("", link), expected);
        }
    }

    #[test]
    fn options_of_the_administrator_come_last() {
        let line = line(
            "user = \"leaf\"\nrequire_auth = true\nremote_name = \"hub\"\nshort_sequences = true\n",
            "tty = \"/dev/ttyS0\"\ncarrier = true\noptions = [\"mru\", \"1000\"]",
        );
        assert!(
            line.ends_with("modem nocrtscts auth user leaf remotename hub mru 1000"),
            "{line}"
        );
        assert!(!line.contains("nompshortseq"));
    }

    #[test]
    fn classic_mode_leaves_the_addresses_to_pppd() {
        let line = line(
            "mode = \"classic\"\nlocal = \"10.0.0.1\"\nifname = \"dsl0\"\n",
            "pppoe = \"eth1\"",
        );
        assert!(line.contains(" 10.0.0.1: ifname dsl0 "), "{line}");
        assert!(
            !line.contains("multilink") && !line.contains("noip "),
            "{line}"
        );
    }
}
