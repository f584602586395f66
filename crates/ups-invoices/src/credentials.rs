//! Where secrets come from. Never from arguments, environment values or the configuration.

use std::io::IsTerminal as _;
use std::path::Path;

use nightshift_common::secret::{Error as SecretError, Secret};

use crate::config::Account;
use crate::error::Error;
use crate::flow::Credentials;
use crate::totp::Totp;

/// The sources of one account: systemd credential, command, netrc, terminal; the first that has
/// something wins.
#[derive(Debug)]
pub struct Sources<'a> {
    account: &'a Account,
    host: &'a str,
}

impl<'a> Sources<'a> {
    /// Sources of `account`; `host` is looked up in its netrc.
    #[must_use]
    pub fn new(account: &'a Account, host: &'a str) -> Self {
        Self { account, host }
    }

    fn fault(&self, what: impl std::fmt::Display) -> Error {
        Error::Secret {
            account: self.account.name.clone(),
            what: what.to_string(),
        }
    }

    fn credential(&self, kind: &str) -> Result<Option<String>, Error> {
        match Secret::from_credential(&format!("{}.{kind}", self.account.name)) {
            Ok(secret) => Ok(Some(secret.reveal().to_owned())),
            Err(SecretError::NoCredentials { .. }) => Ok(None),
            Err(SecretError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            Err(error) => Err(self.fault(nightshift_common::error::chain(&error))),
        }
    }

    fn command(&self, argv: &[String]) -> Result<Option<String>, Error> {
        if argv.is_empty() {
            return Ok(None);
        }
        let secret = Secret::from_command(argv)
            .map_err(|error| self.fault(nightshift_common::error::chain(&error)))?;
        Ok(Some(secret.reveal().to_owned()))
    }

    fn netrc(&self) -> Result<Option<(String, String)>, Error> {
        let Some(path) = &self.account.netrc else {
            return Ok(None);
        };
        let secret = Secret::from_file(path)
            .map_err(|error| self.fault(nightshift_common::error::chain(&error)))?;
        Ok(netrc_entry(secret.reveal(), self.host))
    }
}

impl Credentials for Sources<'_> {
    fn username(&mut self) -> Result<String, Error> {
        if let Some(name) = &self.account.username {
            return Ok(name.clone());
        }
        let entry = self.netrc()?;
        entry
            .map(|(user, _)| user)
            .ok_or_else(|| self.fault("no username is configured"))
    }

    fn password(&mut self) -> Result<String, Error> {
        if let Some(password) = self.credential("password")? {
            return Ok(password);
        }
        if let Some(password) = self.command(&self.account.password_command)? {
            return Ok(password);
        }
        if let Some((_, password)) = self.netrc()? {
            return Ok(password);
        }
        if std::io::stdin().is_terminal() {
            return ask(&format!("password of account {}: ", self.account.name))
                .map_err(|error| self.fault(error));
        }
        let what = format!(
            "no password: there is no credential {}.password, no password_command, no netrc entry and no terminal",
            self.account.name
        );
        Err(self.fault(what))
    }

    fn totp(&mut self) -> Result<Option<Totp>, Error> {
        let key = match self.credential("totp")? {
            Some(key) => Some(key),
            None => self.command(&self.account.totp_command)?,
        };
        key.map(|key| Totp::parse(&key).map_err(|why| self.fault(format!("TOTP: {why}"))))
            .transpose()
    }
}

/// User and password of a machine, or of the default entry.
fn netrc_entry(text: &str, host: &str) -> Option<(String, String)> {
    let mut words = text.split_whitespace();
    let (mut inside, mut user, mut password) = (false, None, None);
    while let Some(word) = words.next() {
        match word {
            "machine" | "default" => {
                if inside {
                    break;
                }
                inside = word == "default" || words.next() == Some(host);
            }
            "login" if inside => user = words.next().map(str::to_owned),
            "password" if inside => password = words.next().map(str::to_owned),
            _ => {}
        }
    }
    Some((user?, password?))
}

/// Asks on the terminal without echo.
fn ask(question: &str) -> std::io::Result<String> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    use std::io::Write as _;
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    let mut terminal = std::fs::OpenOptions::new()
        .write(true)
        .open(Path::new("/dev/tty"))?;
    terminal.write_all(question.as_bytes())?;
    tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
    let mut line = String::new();
    let read = stdin.read_line(&mut line);
    tcsetattr(&stdin, OptionalActions::Flush, &before)?;
    terminal.write_all(b"\n")?;
    read?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn netrc_gives_the_hosts_own_entry_or_the_default() {
        let text = "machine a.test login x password 1\nmachine www.portal.test\n login me\n password p\ndefault login d password 2";
        let pair = |host| netrc_entry(text, host).unwrap();
        assert_eq!(pair("www.portal.test"), ("me".to_owned(), "p".to_owned()));
        assert_eq!(pair("other.test"), ("d".to_owned(), "2".to_owned()));
        assert!(netrc_entry("machine a.test login x", "a.test").is_none());
    }

    #[test]
    fn a_command_gives_the_password_and_nothing_leaks_when_it_fails() {
        let mut account = Account {
            name: "a".into(),
            profile: "p".into(),
            username: Some("u".into()),
            numbers: Vec::new(),
            password_command: vec!["echo".into(), "hunter22".into()],
            totp_command: Vec::new(),
            netrc: None,
        };
        assert_eq!(Sources::new(&account, "h").password().unwrap(), "hunter22");
        account.password_command = vec!["sh".into(), "-c".into(), "echo hunter22; exit 1".into()];
        let error = Sources::new(&account, "h")
            .password()
            .unwrap_err()
            .to_string();
        assert!(
            !error.contains("echo hunter22; exit 1 :") && error.contains("account a"),
            "{error}"
        );
        assert!(Sources::new(&account, "h").totp().unwrap().is_none());
    }
}
