//! Signing in: once a run, and never again after a refusal.

use super::Flow;
use crate::error::Error;
use crate::mech::Step;
use crate::profile::LoginStep;
use crate::template::Values;

impl Flow<'_> {
    /// Signs in, whatever the session says.
    pub fn sign_in(&mut self) -> Result<(), Error> {
        if self.imported || self.profile.login.is_empty() {
            return Err(self.person("the imported session has ended, or was never good"));
        }
        if self.logins > 0 {
            return Err(self.person("the portal signed us out again right after signing in"));
        }
        self.logins += 1;
        let profile = self.profile;
        for step in &profile.login {
            self.login_step(step)?;
        }
        // A portal without a word about a wrong password just shows its form again.
        let page = self.browser.page();
        if page.is_some_and(|page| profile.signed_out.on(page).is_some()) {
            return Err(Error::LoginRefused {
                account: self.account.to_owned(),
            });
        }
        tracing::info!(account = self.account, "signed in");
        Ok(())
    }

    fn login_step(&mut self, step: &LoginStep) -> Result<(), Error> {
        let at = Step {
            name: &step.name,
            hosts: &step.hosts,
        };
        if let Some(goto) = &step.goto {
            self.browser.open(goto, at)?;
            self.no_challenge()?;
        }
        let Some(form) = &step.form else {
            return Ok(());
        };
        let mut values = Values::default();
        values
            .texts
            .insert("username".to_owned(), self.credentials.username()?);
        if form
            .fill
            .iter()
            .any(|(_, template)| template.uses("password"))
        {
            let password = self.credentials.password()?;
            self.redactor.learn(&password);
            values.texts.insert("password".to_owned(), password);
        }
        let totp = if form.has_code() {
            let totp = self.credentials.totp()?;
            Some(totp.ok_or_else(|| self.person("a code is asked for and no totp_command is set"))?)
        } else {
            None
        };
        let put_code = |values: &mut Values, steps, now| {
            if let Some(totp) = &totp {
                values
                    .texts
                    .insert("totp".to_owned(), totp.code(now, steps));
            }
        };
        put_code(&mut values, 0, self.clock.now());
        self.submit(form, &values, at)?;
        if let Some(totp) = &totp
            && self.shows(&step.refused)
        {
            // Only the code form may be sent once more: our clock may be a step off.
            let now = self.clock.now();
            put_code(&mut values, totp.neighbour(now), now);
            self.submit(form, &values, at)?;
        }
        if self.shows(&step.refused) {
            return Err(Error::LoginRefused {
                account: self.account.to_owned(),
            });
        }
        self.no_challenge()?;
        if let Some(expect) = &step.expect {
            let found = self
                .browser
                .page()
                .is_some_and(|page| page.document().select(&expect.selector).next().is_some());
            if !found {
                return Err(Self::changed(
                    &step.name,
                    format!("element {}", expect.text),
                ));
            }
        }
        self.keep_skeleton(&step.name);
        Ok(())
    }
}
