//! `session`: import, show and clear the kept sign-in.

use std::io::Write as _;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;

use super::App;
use crate::cli::SessionAction;
use crate::error::Error;
use crate::profile;
use crate::session::Session;

impl App {
    pub(super) fn session(&mut self, action: &SessionAction) -> Result<Exit, Error> {
        let account = self.one_account()?.clone();
        let path = self.session_path(&account.name);
        let failed = |error: &dyn std::error::Error| Error::Secret {
            account: account.name.clone(),
            what: nightshift_common::error::chain(error),
        };
        match action {
            SessionAction::Import { file } => {
                let profile = profile::load(&account.profile, &self.settings.profiles)?;
                let text = std::fs::read_to_string(file).map_err(|source| Error::Archive {
                    path: file.clone(),
                    source,
                })?;
                let session =
                    Session::import(&text, &profile, self.now).map_err(|error| failed(&error))?;
                session.save(&path).map_err(|error| failed(&error))?;
                writeln!(
                    self.out,
                    "imported {} cookies and {} headers; now delete {}: it is as good as a password",
                    session.jar.cookies().len(),
                    session.headers.len(),
                    Escaped::path(file)
                )?;
            }
            SessionAction::Show => match Session::load(&path).map_err(|error| failed(&error))? {
                None => writeln!(self.out, "no session is kept for account {}", account.name)?,
                Some(session) => {
                    let kind = if session.imported {
                        "imported"
                    } else {
                        "signed in"
                    };
                    let ends = session.jar.ends().map_or(
                        "with the browser session, or when the portal says".to_owned(),
                        |end| end.to_string(),
                    );
                    writeln!(
                        self.out,
                        "{kind}, {} cookies, ends {ends}",
                        session.jar.cookies().len()
                    )?;
                }
            },
            SessionAction::Clear => match std::fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::Archive { path, source }),
            },
        }
        Ok(Exit::Done)
    }
}
