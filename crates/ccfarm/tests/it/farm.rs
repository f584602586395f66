//! Farm files for tests.

use std::fmt::Write as _;
use std::path::PathBuf;

use nightshift_testkit::Sandbox;

/// A farm for armel whose nodes are the given name, host and port.
pub(crate) struct FarmFile {
    pub(crate) names: Vec<String>,
    pub(crate) cflags: &'static str,
    pub(crate) gcc: Option<&'static str>,
    pub(crate) connect_timeout: &'static str,
    pub(crate) timeout: &'static str,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) nodes: Vec<(String, String, u16, &'static str)>,
}

impl FarmFile {
    pub(crate) fn new() -> Self {
        Self {
            names: vec!["gcc".to_owned()],
            cflags: "-O2",
            gcc: Some("12.2.0"),
            connect_timeout: "30s",
            // Verdicts are tested, not speed: a loaded machine must not turn them into `down`.
            timeout: "300s",
            cache: None,
            nodes: Vec::new(),
        }
    }

    pub(crate) fn node(mut self, name: &str, host: &str, port: u16) -> Self {
        self.nodes
            .push((name.to_owned(), host.to_owned(), port, ""));
        self
    }

    pub(crate) fn names(mut self, names: &[&str]) -> Self {
        self.names = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    pub(crate) fn write(&self, sandbox: &Sandbox) -> PathBuf {
        let gcc = self
            .gcc
            .map(|gcc| format!("gcc = \"{gcc}\"\n"))
            .unwrap_or_default();
        let cache = self
            .cache
            .as_ref()
            .map(|dir| format!("dir = \"{}\"", dir.display()))
            .unwrap_or_default();
        let mut text = format!(
            "client = {{ allow = [\"10.77.0.1/32\"] }}
ccache = {{ {cache} }}
probe = {{ connect_timeout = \"{}\", timeout = \"{}\" }}
[target]
triple = \"arm-linux-gnueabi\"
names = {:?}
cflags = \"{}\"
{gcc}elf = {{ class = 32, machine = \"arm\", float = \"soft\" }}\n",
            self.connect_timeout, self.timeout, self.names, self.cflags
        );
        for (name, host, port, extra) in &self.nodes {
            let _ = write!(
                text,
                "[[node]]\nname = \"{name}\"\nhost = \"{host}\"\nport = {port}\nslots = 2\n{extra}"
            );
        }
        sandbox.file("farm.toml", text)
    }
}
