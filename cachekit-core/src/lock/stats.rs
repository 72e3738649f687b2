//! How long locks are held, by templates: what a refused caller may be told to wait.

use std::{collections::HashMap, time::Duration};

use crate::{
    key::Template,
    sync::{Mutex, lock},
};

/// Templates come from source code; those read at run time must not grow the table for ever.
const MOST_TEMPLATES: usize = 1024;

/// The share of the newest hold in the mean.
const NEWEST: f64 = 0.125;

/// A mean a template, in which the latest weigh most.
#[derive(Debug, Default)]
pub(super) struct Stats {
    means: Mutex<HashMap<Box<str>, Duration>>,
}

impl Stats {
    pub(super) fn held(&self, template: &Template, time: Duration) {
        let mut means = lock(&self.means);
        if let Some(mean) = means.get_mut(template.as_str()) {
            *mean = mean.mul_f64(1.0 - NEWEST) + time.mul_f64(NEWEST);
        } else if means.len() < MOST_TEMPLATES {
            means.insert(template.as_str().into(), time);
        }
    }

    pub(super) fn mean(&self, template: &str) -> Option<Duration> {
        lock(&self.means).get(template).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_follows_the_latest_holds_and_the_table_is_bounded() {
        let stats = Stats::default();
        assert_eq!(stats.mean("a:<id>"), None);
        let template = Template::Static("a:<id>");
        stats.held(&template, Duration::from_millis(100));
        stats.held(&template, Duration::from_millis(900));
        assert_eq!(stats.mean("a:<id>"), Some(Duration::from_millis(200)));
        for number in 0..2 * MOST_TEMPLATES {
            stats.held(&Template::Shared(format!("t{number}").into()), Duration::ZERO);
        }
        assert_eq!(lock(&stats.means).len(), MOST_TEMPLATES);
    }
}
