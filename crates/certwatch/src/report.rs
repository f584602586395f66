//! The report: one page without scripts or outside resources, readable on a phone. Text from
//! certificates is inert: controls are escaped first, then the HTML.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use nightshift_common::escape::Escaped;

use crate::cert::Cert;
use crate::chain::Chain;
use crate::finding::{Code, Severity};
use crate::store::events::Event;
use crate::when::{self, DAY, Unix};

const STYLE: &str = include_str!("report/style.css");

/// What the page says.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) now: Unix,
    pub(crate) vantage: String,
    pub(crate) events: Vec<Change>,
    /// Events that are not on the page.
    pub(crate) more_events: usize,
    pub(crate) sites: Vec<Site>,
}

/// An event with its chains.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) target: String,
    pub(crate) event: Event,
    pub(crate) old: Option<Arc<Chain>>,
    pub(crate) new: Option<Arc<Chain>>,
}

/// One target's present state.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) target: String,
    pub(crate) outcome: String,
    pub(crate) chain: Option<Arc<Chain>>,
}

impl Report {
    /// The whole page.
    pub(crate) fn render(&self) -> String {
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\
             <link rel=\"icon\" href=\"data:,\">\
             <title>certwatch report</title><style>{STYLE}</style></head><body>\n<h1>certwatch</h1>\n"
        );
        let _ = writeln!(
            page,
            "<p class=\"quiet\">{} targets seen from {}, written {}.</p>",
            self.sites.len(),
            text(&self.vantage),
            when::rfc3339(self.now)
        );
        self.summary(&mut page);
        self.changes(&mut page);
        self.timeline(&mut page);
        self.owners(&mut page);
        page.push_str("</body></html>\n");
        page
    }

    fn summary(&self, page: &mut String) {
        page.push_str("<ul class=\"tiles\">");
        for severity in Severity::ALL.into_iter().rev() {
            let open = |change: &&Change| {
                change.event.severity == severity
                    && matches!(change.event.state.as_str(), "open" | "settling")
            };
            let n = self.events.iter().filter(open).count();
            if severity == Severity::Info {
                continue; // never open
            }
            let class = if n == 0 { "none" } else { severity.word() };
            let _ = write!(
                page,
                "<li class=\"{class}\"><b>{n}</b> open {severity}</li>"
            );
        }
        page.push_str("</ul>\n");
    }

    fn changes(&self, page: &mut String) {
        page.push_str("<h2>What changed</h2>\n");
        if self.events.is_empty() {
            page.push_str("<p>Nothing but the first sight of each target.</p>\n");
        }
        for change in &self.events {
            let event = &change.event;
            let open = if event.severity >= Severity::Warning {
                " open"
            } else {
                ""
            };
            let _ = writeln!(
                page,
                "<details class=\"event {0}\"{open}><summary><span class=\"badge\">{0}</span> \
                 <b>{1}</b> <span class=\"quiet\">{2}, event {3}, {4}</span></summary>",
                event.severity,
                text(&change.target),
                when::rfc3339(event.at),
                event.id,
                text(&event.state)
            );
            for finding in &event.findings {
                let why = finding.code.parse::<Code>().map_or("", meaning);
                let _ = writeln!(
                    page,
                    "<p><code>{}</code> {}{}{}</p>",
                    text(&finding.code),
                    text(&finding.text),
                    if why.is_empty() {
                        ""
                    } else {
                        "<br><span class=\"quiet\">"
                    },
                    if why.is_empty() {
                        String::new()
                    } else {
                        format!("{why}</span>")
                    },
                );
            }
            if !event.note.is_empty() {
                let _ = writeln!(
                    page,
                    "<p class=\"quiet\">{} by {}: {}</p>",
                    text(&event.state),
                    text(&event.who),
                    text(&event.note)
                );
            }
            if change.old.is_some() || change.new.is_some() {
                page.push_str("<div class=\"pair\">");
                column(page, "before", change.old.as_deref(), change.new.as_deref());
                column(page, "now", change.new.as_deref(), change.old.as_deref());
                page.push_str("</div>\n");
            }
            page.push_str("</details>\n");
        }
        if self.more_events > 0 {
            let _ = writeln!(
                page,
                "<p>{} older events are not shown; <code>certwatch events</code> lists them.</p>",
                self.more_events
            );
        }
    }

    fn timeline(&self, page: &mut String) {
        page.push_str("<h2>Expiry</h2>\n");
        let mut sites: Vec<(&Site, &Cert)> = self
            .sites
            .iter()
            .filter_map(|site| Some((site, site.chain.as_ref()?.leaf().as_ref())))
            .collect();
        sites.sort_by_key(|(site, leaf)| (leaf.not_after, &site.target));
        page.push_str("<table><tr><th>ends</th><th>left</th><th>target</th><th>state</th></tr>\n");
        for (site, leaf) in sites.iter().take(500) {
            let left = leaf.not_after - self.now;
            let percent = leaf.share_left(self.now) * 100.0;
            let class = if percent < 7.0 {
                "critical"
            } else if percent < 20.0 {
                "warning"
            } else {
                "fine"
            };
            let days = if left < 0 {
                "expired".to_owned()
            } else {
                format!("{} d", left / DAY)
            };
            let _ = writeln!(
                page,
                "<tr><td>{}</td><td class=\"bar\"><span class=\"{class}\" style=\"width:{percent:.0}%\">\
                 </span>{days}</td><td>{}</td><td>{}</td></tr>",
                when::date(leaf.not_after),
                text(&site.target),
                text(&site.outcome)
            );
        }
        page.push_str("</table>\n");
        let silent: Vec<&Site> = self
            .sites
            .iter()
            .filter(|site| site.chain.is_none())
            .collect();
        if !silent.is_empty() {
            page.push_str("<p>No chain from: ");
            for site in silent.iter().take(100) {
                let _ = write!(page, "{} ({}) ", text(&site.target), text(&site.outcome));
            }
            page.push_str("</p>\n");
        }
    }

    fn owners(&self, page: &mut String) {
        page.push_str("<h2>Issuers by owner</h2>\n");
        let mut owners: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
        for chain in self.sites.iter().filter_map(|site| site.chain.as_ref()) {
            let issuers = owners.entry(chain.owner.to_string()).or_default();
            *issuers.entry(chain.issuer_name()).or_default() += 1;
        }
        page.push_str("<table><tr><th>owner</th><th>issuer</th><th>targets</th></tr>\n");
        for (owner, issuers) in &owners {
            for (issuer, n) in issuers {
                let _ = writeln!(
                    page,
                    "<tr><td>{}</td><td>{}</td><td>{n}</td></tr>",
                    text(owner),
                    text(issuer)
                );
            }
        }
        page.push_str("</table>\n");
    }
}

/// One chain from root to leaf; links that the other chain does not have are marked.
fn column(page: &mut String, title: &str, chain: Option<&Chain>, other: Option<&Chain>) {
    let _ = write!(page, "<div><h3>{title}</h3>");
    let Some(chain) = chain else {
        page.push_str("<p class=\"quiet\">nothing</p></div>");
        return;
    };
    let _ = write!(
        page,
        "<p class=\"quiet\">{}, level {} as claimed, {}</p><ol>",
        text(&chain.owner.to_string()),
        chain.level,
        chain.paths.trust.code()
    );
    let links = |chain: &Chain| -> Vec<Arc<Cert>> {
        chain
            .path()
            .certs
            .iter()
            .chain(&chain.path().root)
            .cloned()
            .collect()
    };
    let others = other.map(links).unwrap_or_default();
    for cert in links(chain).iter().rev() {
        let changed = !others.iter().any(|known| known.spki == cert.spki);
        let _ = write!(
            page,
            "<li{}><b>{}</b><br><span class=\"quiet\">{} to {}<br>{}, key {}</span></li>",
            if changed && other.is_some() {
                " class=\"changed\""
            } else {
                ""
            },
            text(cert.subject.short()),
            when::date(cert.not_before),
            when::date(cert.not_after),
            cert.key,
            cert.spki.short()
        );
    }
    page.push_str("</ol></div>");
}

/// Why a finding matters, in a sentence, for those that are not plain from their text.
fn meaning(code: Code) -> &'static str {
    match code {
        Code::OWNER_CHANGED | Code::OWNER_CHANGED_UNSEEN => {
            "Another company vouches for this server now. If nobody here ordered that, somebody \
             else did."
        }
        Code::ISSUER_UNSEEN => {
            "Whoever holds a sub-CA of your CA can intercept you under its name; a key never seen \
             elsewhere is how that begins."
        }
        Code::REKEYED_EARLY => "Renewals come when a third of the lifetime is left; this did not.",
        Code::SPLIT_PORT | Code::SPLIT_VANTAGE | Code::SPLIT_ADDRESS => {
            "An interception in front of one port or one network shows just this."
        }
        Code::LOCAL_ROOT => "The connection is decrypted on the way, by whoever holds that root.",
        Code::SCT_GONE => "Publicly trusted certificates are logged; one that is not hides.",
        Code::LEVEL_DOWN_EV | Code::LEVEL_DOWN_OV => {
            "A weaker check of who asks is what an impostor passes."
        }
        Code::SUBCA_YOUNG | Code::SUBCA_SHORT | Code::SUBCA_FOREIGN_NAME => {
            "Sub-CAs that sign for the public are old, long-lived and carry their owner's name."
        }
        Code::LEAF_IS_CA => "Its key can impersonate any site on the net.",
        _ => "",
    }
}

/// Text from outside, inert in a terminal's sense and in HTML's.
fn text(raw: &str) -> String {
    let plain = Escaped::text(raw).to_string();
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_inert() {
        let shown = text("<script>alert('x')</script>\u{202e}\n\"&");
        assert!(!shown.contains('<') && !shown.contains('\n') && !shown.contains('\u{202e}'));
        assert!(shown.starts_with("&lt;script&gt;alert(&#39;x&#39;)"));
    }

    /// Everything that comes from outside, hostile.
    fn hostile() -> Report {
        use crate::forge::{self, Leaf};
        let evil = "</li></style><img src=https://evil.example/x onerror=alert(1)>\u{202e}";
        let root = forge::root(evil, evil);
        let sub = root.sub(evil, evil, "2024-01-01", 3650);
        let start = when::parse("2026-01-01").unwrap();
        let judge = forge::judge(&[&root], &[]);
        let presented = sub.issue(&Leaf::new("www.example.org", "k1", start));
        let chain = judge.chain(&presented, start + DAY).map(Arc::new);
        let finding = crate::store::events::Stored {
            code: evil.to_owned(),
            severity: "critical".to_owned(),
            text: evil.to_owned(),
            evidence: None,
        };
        let event = Event {
            id: 1,
            target_id: 1,
            target: evil.to_owned(),
            vantage: evil.to_owned(),
            at: start,
            severity: Severity::Critical,
            old_chain: Some(1),
            new_chain: Some(1),
            findings: vec![finding],
            state: "open".to_owned(),
            who: evil.to_owned(),
            note: evil.to_owned(),
        };
        Report {
            now: start + 2 * DAY,
            vantage: evil.to_owned(),
            events: vec![Change {
                target: evil.to_owned(),
                event,
                old: chain.clone(),
                new: chain.clone(),
            }],
            more_events: 3,
            sites: vec![
                Site {
                    target: evil.to_owned(),
                    outcome: "ok".to_owned(),
                    chain,
                },
                Site {
                    target: evil.to_owned(),
                    outcome: evil.to_owned(),
                    chain: None,
                },
            ],
        }
    }

    /// The opening tags of a page, without what is between them.
    fn tags(page: &str) -> Vec<&str> {
        page.split('<')
            .skip(1)
            .filter(|tag| !tag.starts_with('/'))
            .map(|tag| tag.split('>').next().unwrap())
            .collect()
    }

    #[test]
    fn the_page_has_no_outside_resource_and_no_script_whatever_it_shows() {
        const KNOWN: &[&str] = &[
            "!DOCTYPE", "html", "head", "meta", "link", "title", "style", "body", "h1", "h2", "h3",
            "p", "ul", "li", "ol", "b", "br", "span", "div", "code", "details", "summary", "table",
            "tr", "th", "td",
        ];
        let page = hostile().render();
        for tag in tags(&page) {
            let name = tag.split(' ').next().unwrap();
            assert!(KNOWN.contains(&name), "<{tag}>");
            for loads in ["src=", "srcset=", " on", "action=", "@import"] {
                assert!(!tag.contains(loads), "<{tag}>");
            }
            if let Some((_, address)) = tag.split_once("href=") {
                assert_eq!(address, "\"data:,\"", "<{tag}>");
            }
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
        // Should all of that fail: a page that may load and run nothing.
        assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'"));
        assert!(page.contains("&lt;img src=https"));
        assert!(page.contains("name=\"viewport\""));
    }
}
