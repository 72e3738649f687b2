//! When an entry that is still good should be loaded anew.

use super::Age;

/// How long before its end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ahead {
    /// The earlier the longer a load takes, and by chance, so that of many readers one comes first (XFetch).
    ByCost,
    /// When a share of its time to live is left.
    Percent(u8),
    /// When so many milliseconds are left.
    Margin(u64),
}

/// At so many costs from the end it is due once in e^40 reads: not worth a logarithm.
const HOPELESS: u64 = 40;

impl Ahead {
    /// Whether [`is_due`](Self::is_due) may say so. Who asks that itself afterwards needs this: of two that are asked by
    /// chance both would have to say so.
    pub(super) fn may_be_due(self, left_ms: u64, age: &Age) -> bool {
        match self {
            Self::ByCost => left_ms <= hopeless_ms(age.cost_ms()),
            Self::Percent(_) | Self::Margin(_) => self.is_due(left_ms, age),
        }
    }

    pub(super) fn is_due(self, left_ms: u64, age: &Age) -> bool {
        let ttl_ms = u64::from(age.ttl_ms);
        match self {
            Self::ByCost => is_due_by_cost(left_ms, age.cost_ms()),
            Self::Percent(percent) => left_ms < ttl_ms * u64::from(percent.min(50)) / 100,
            Self::Margin(margin_ms) => left_ms < margin_ms.min(ttl_ms / 2),
        }
    }
}

fn hopeless_ms(cost_ms: u64) -> u64 {
    cost_ms.saturating_mul(HOPELESS)
}

/// XFetch with beta = 1: `cost * -ln(u) >= left`.
fn is_due_by_cost(left_ms: u64, cost_ms: u64) -> bool {
    if left_ms > hopeless_ms(cost_ms) {
        return false;
    }
    let chance = 1.0 - fastrand::f64();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a load are few")]
    let (left, cost) = (left_ms as f64, cost_ms as f64);
    -chance.ln() * cost >= left
}
