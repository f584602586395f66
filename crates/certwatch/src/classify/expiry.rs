//! Row 22: what time does to a chain that does not change. Shares of the lifetime, because fixed
//! numbers of days fit no two CAs: a 90-day certificate has less than 90 days left on every day
//! of its life.

use crate::cert::share;
use crate::chain::Chain;
use crate::classify::EARLY_DEFAULT;
use crate::finding::{Code, Finding, Severity};
use crate::history::History;
use crate::knowledge::Knowledge;
use crate::when::{self, DAY, Unix};

/// Lifetimes count as at most this: 7 % of a ten-year private certificate would be eight months.
const LONGEST_LIFETIME: i64 = 398 * DAY;
/// Below this lifetime the 24-hour rule would hold from the first hour on.
const SHORT_LIVED: i64 = 3 * DAY;

/// The expiry findings of a chain at `now`.
pub(super) fn rows(
    history: &History,
    chain: &Chain,
    knowledge: &Knowledge,
    now: Unix,
) -> Vec<Finding> {
    let leaf = chain.leaf();
    let mut findings = Vec::new();
    let left = leaf.not_after - now;
    let lifetime = leaf.lifetime().min(LONGEST_LIFETIME);
    let left_share = share(left, lifetime);
    let usual = history.usual().unwrap_or(EARLY_DEFAULT);
    let last_day = left < DAY && leaf.lifetime() > SHORT_LIVED;
    let date = when::date(leaf.not_after);
    if left < 0 {
        findings.push(Finding::new(
            Code::EXPIRING_NOW,
            Severity::Critical,
            format!("expired {} ago, on {date}", when::span(left)),
        ));
    } else if left_share < knowledge.expiring_now_share || last_day {
        findings.push(Finding::new(
            Code::EXPIRING_NOW,
            Severity::Critical,
            format!("expires in {}, on {date}", when::span(left)),
        ));
    } else if left_share < knowledge.expiring_share && left_share < usual {
        findings.push(Finding::new(
            Code::EXPIRING,
            Severity::Warning,
            format!(
                "expires in {}, on {date}; usually replaced with {:.0} % left, now {:.0} %",
                when::span(left),
                usual * 100.0,
                left_share * 100.0
            ),
        ));
    }
    findings.extend(path_expiring(chain, now));
    findings
        .into_iter()
        .map(|f| {
            if f.evidence.is_none() {
                f.about(leaf.sha256)
            } else {
                f
            }
        })
        .collect()
}

/// An intermediate on the only valid path that ends before the leaf takes the leaf with it.
fn path_expiring(chain: &Chain, now: Unix) -> Option<Finding> {
    let [only] = chain.paths.valid.as_slice() else {
        return None;
    };
    let leaf = chain.leaf();
    let first = only.intermediates().iter().min_by_key(|ca| ca.not_after)?;
    if first.not_after >= leaf.not_after || now > leaf.not_after {
        return None;
    }
    Some(
        Finding::new(
            Code::PATH_EXPIRING,
            Severity::Warning,
            format!(
                "the only valid path runs through {}, which ends on {}, before the certificate",
                first.subject.short(),
                when::date(first.not_after)
            ),
        )
        .about(first.sha256),
    )
}

/// The next moment at which an unchanged chain may become news: a sweep before it need not judge
/// again. Expiry thresholds and the end of a path's validity are the only clocks in the table.
pub(crate) fn next_alarm(chain: &Chain, knowledge: &Knowledge, now: Unix) -> Unix {
    let leaf = chain.leaf();
    let lifetime = leaf.lifetime().min(LONGEST_LIFETIME);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a share of at most 398 days in seconds"
    )]
    let before_end = |share: f64| leaf.not_after - (lifetime as f64 * share) as i64;
    [
        before_end(knowledge.expiring_share),
        before_end(knowledge.expiring_now_share),
        leaf.not_after - DAY,
        leaf.not_after,
        chain.good_until,
    ]
    .into_iter()
    .filter(|edge| *edge > now)
    .min()
    .unwrap_or(now + DAY)
}
