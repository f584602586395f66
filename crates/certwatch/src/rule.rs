//! `[[rule]]`: the administrator's last word on a finding's severity.

use serde::{Deserialize, Serialize};

use crate::finding::{Code, Finding, Severity};
use crate::target::Target;
use crate::when::{self, Unix};

/// A rule as written in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleLayer {
    /// The finding it is about; every finding without it.
    pub(crate) code: Option<String>,
    /// The severity to give, or `none` to drop the finding.
    pub(crate) severity: String,
    /// `HOST[:PORT]`, `*.DOMAIN` or `*`.
    pub(crate) target: Option<String>,
    /// After this time the rule is void.
    pub(crate) until: Option<String>,
}

/// A checked rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    code: Option<Code>,
    /// `None` drops the finding.
    severity: Option<Severity>,
    target: Option<String>,
    until: Option<Unix>,
}

impl TryFrom<&RuleLayer> for Rule {
    type Error = String;

    fn try_from(layer: &RuleLayer) -> Result<Self, String> {
        let severity = match layer.severity.as_str() {
            "none" => None,
            word => Some(word.parse()?),
        };
        Ok(Self {
            code: layer.code.as_deref().map(str::parse).transpose()?,
            severity,
            target: layer.target.as_ref().map(|target| target.to_lowercase()),
            until: layer.until.as_deref().map(when::parse).transpose()?,
        })
    }
}

impl Rule {
    fn matches(&self, finding: &Finding, target: &Target, now: Unix) -> bool {
        self.code.is_none_or(|code| code == finding.code)
            && self.until.is_none_or(|until| now < until)
            && self
                .target
                .as_deref()
                .is_none_or(|pattern| match pattern.strip_prefix('*') {
                    Some(suffix) => target.host.ends_with(suffix),
                    None => pattern == target.host || pattern == target.to_string(),
                })
    }
}

/// Applies the first matching rule to each finding.
pub(crate) fn apply(rules: &[Rule], findings: &mut Vec<Finding>, target: &Target, now: Unix) {
    findings.retain_mut(|finding| {
        let Some(rule) = rules.iter().find(|rule| rule.matches(finding, target, now)) else {
            return true;
        };
        match rule.severity {
            Some(severity) => finding.severity = severity,
            None => return false,
        }
        true
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(code: Option<&str>, severity: &str, target: Option<&str>, until: Option<&str>) -> Rule {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let layer = RuleLayer {
            code: own(code),
            severity: severity.to_owned(),
            target: own(target),
            until: own(until),
        };
        Rule::try_from(&layer).unwrap()
    }

    fn applied(rules: &[Rule], now: Unix) -> Vec<Option<Severity>> {
        ["www.example.org", "other.test"]
            .map(|host| {
                let mut findings = vec![Finding::new(
                    Code::EXPIRING,
                    Severity::Warning,
                    "expires soon",
                )];
                apply(rules, &mut findings, &host.parse().unwrap(), now);
                findings.first().map(|finding| finding.severity)
            })
            .to_vec()
    }

    #[test]
    fn the_first_matching_rule_decides_until_it_ends() {
        let rules = [
            rule(
                Some("expiring"),
                "info",
                Some("*.example.org"),
                Some("2026-01-02"),
            ),
            rule(Some("expiring"), "none", Some("www.example.org:443"), None),
            rule(Some("renewed"), "critical", None, None),
        ];
        let end = when::parse("2026-01-02").unwrap();
        assert_eq!(
            applied(&rules, end - 1),
            [Some(Severity::Info), Some(Severity::Warning)]
        );
        assert_eq!(applied(&rules, end), [None, Some(Severity::Warning)]);
    }

    #[test]
    fn mistakes_are_named() {
        let layer = |code: &str, severity: &str| RuleLayer {
            code: Some(code.to_owned()),
            severity: severity.to_owned(),
            target: None,
            until: None,
        };
        assert!(
            Rule::try_from(&layer("no-code", "info"))
                .unwrap_err()
                .contains("no-code")
        );
        assert!(
            Rule::try_from(&layer("renewed", "loud"))
                .unwrap_err()
                .contains("loud")
        );
    }
}
