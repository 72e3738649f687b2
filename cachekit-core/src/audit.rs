//! Which templates are read, which are invalidated, and where the two do not meet.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    __private::Site,
    key::Template,
    sync::{Mutex, lock},
};

/// What a cache's call sites read and invalidate, so far as they have run.
///
/// Best looked at when a test suite has run: see
/// [`assert_audit_clean`](crate::testing::assert_audit_clean). Templates are compared without the
/// names of their placeholders.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Audit {
    /// Templates that are cached and that nothing invalidates: only their TTL ends them.
    pub never_invalidated: Vec<Finding>,
    /// Templates that are invalidated and that nothing caches: perhaps a misspelt one.
    pub never_cached: Vec<Finding>,
    /// Templates that several functions cache. Their values would take turns.
    pub shared: Vec<Finding>,
}

/// One template and the functions concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The template, as the first of the functions writes it.
    pub template: String,
    /// Each function as `path (file:line)`.
    pub functions: Vec<String>,
}

impl Audit {
    /// The audit without this template, written as it is in the attribute: for a key that only its
    /// TTL ends, on purpose.
    ///
    /// ```
    /// # let cache = cachekit_core::Cache::disabled();
    /// let audit = cache.audit().except("titles:<prefix>");
    /// assert!(audit.is_clean(), "{audit}");
    /// ```
    #[must_use]
    pub fn except(mut self, template: &str) -> Self {
        let excepted = shape(template);
        for findings in [&mut self.never_invalidated, &mut self.never_cached, &mut self.shared] {
            findings.retain(|finding| shape(&finding.template) != excepted);
        }
        self
    }

    /// Whether there is nothing to report.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.never_invalidated.is_empty() && self.never_cached.is_empty() && self.shared.is_empty()
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = |what: &str, findings: &[Finding]| {
            findings.iter().try_for_each(|finding| writeln!(f, "{what}: {finding}"))
        };
        list("cached and never invalidated", &self.never_invalidated)?;
        list("invalidated and never cached", &self.never_cached)?;
        list("cached by several functions", &self.shared)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` in {}", self.template, self.functions.join(", "))
    }
}

/// What a cache knows of its call sites: bounded by their number in the program's text.
#[derive(Debug)]
pub(crate) struct Sites {
    /// Tells caches apart, also one that takes the memory of another.
    cache: usize,
    seen: Mutex<BTreeMap<String, Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    template: String,
    readers: Vec<&'static Site>,
    writers: Vec<&'static Site>,
}

impl Default for Sites {
    fn default() -> Self {
        static CACHES: AtomicUsize = AtomicUsize::new(1);
        Self { cache: CACHES.fetch_add(1, Ordering::Relaxed), seen: Mutex::default() }
    }
}

impl Sites {
    /// Notes that `site` reads or invalidates keys of this template.
    pub(crate) fn note(&self, site: &'static Site, template: &str) {
        let only_template = !site.template.is_empty();
        if only_template && !site.is_new_to(self.cache) {
            return;
        }
        let mut sites = lock(&self.seen);
        let seen = sites.entry(shape(template)).or_default();
        if seen.template.is_empty() {
            template.clone_into(&mut seen.template);
        }
        let places = if site.writes { &mut seen.writers } else { &mut seen.readers };
        if !places.iter().any(|place| std::ptr::eq(*place, site)) {
            places.push(site);
        }
    }

    pub(crate) fn audit(&self) -> Audit {
        let mut audit = Audit::default();
        for seen in lock(&self.seen).values() {
            if seen.writers.is_empty() {
                audit.never_invalidated.push(finding(seen, &seen.readers));
            }
            if seen.readers.is_empty() {
                audit.never_cached.push(finding(seen, &seen.writers));
            }
            // A function of one key and one of many are two ways to the same entries.
            let many = seen.readers.iter().filter(|site| site.many).count();
            if many > 1 || seen.readers.len() - many > 1 {
                audit.shared.push(finding(seen, &seen.readers));
            }
        }
        audit
    }
}

fn shape(template: &str) -> String {
    Template::Shared(template.into()).shape()
}

fn finding(seen: &Seen, sites: &[&'static Site]) -> Finding {
    let functions =
        sites.iter().map(|site| format!("{} ({}:{})", site.name, site.file, site.line)).collect();
    Finding { template: seen.template.clone(), functions }
}
