//! Which templates are read, which are invalidated, and where the two do not meet.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    __private::Site,
    key::{Tag, Template, tag_template},
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
    /// Tags that reads name and that nothing invalidates, neither as a tag nor as a key.
    pub tags_never_invalidated: Vec<Finding>,
    /// Tags that are invalidated and that no read names: perhaps a misspelt one.
    pub tags_never_named: Vec<Finding>,
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
        let Self {
            never_invalidated,
            never_cached,
            shared,
            tags_never_invalidated,
            tags_never_named,
        } = &mut self;
        let all =
            [never_invalidated, never_cached, shared, tags_never_invalidated, tags_never_named];
        for findings in all {
            findings.retain(|finding| shape(&finding.template) != excepted);
        }
        self
    }

    /// Whether there is nothing to report.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let Self { never_invalidated, never_cached, shared, .. } = self;
        let tags = self.tags_never_invalidated.is_empty() && self.tags_never_named.is_empty();
        tags && never_invalidated.is_empty() && never_cached.is_empty() && shared.is_empty()
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = |what: &str, findings: &[Finding]| {
            findings.iter().try_for_each(|finding| writeln!(f, "{what}: {finding}"))
        };
        list("cached and never invalidated", &self.never_invalidated)?;
        list("invalidated and never cached", &self.never_cached)?;
        list("cached by several functions", &self.shared)?;
        list("tag named and never invalidated", &self.tags_never_invalidated)?;
        list("tag invalidated and never named", &self.tags_never_named)
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
    /// The shapes of the tags that its reads name.
    tags: BTreeSet<String>,
    /// Who names it as a tag.
    taggers: Vec<&'static Site>,
    /// Who invalidates it as a tag.
    untaggers: Vec<&'static Site>,
}

impl Default for Sites {
    fn default() -> Self {
        static CACHES: AtomicUsize = AtomicUsize::new(1);
        Self { cache: CACHES.fetch_add(1, Ordering::Relaxed), seen: Mutex::default() }
    }
}

impl Sites {
    /// Notes that `site` reads or invalidates keys of this template, or invalidates tags of it.
    pub(crate) fn note(&self, site: &'static Site, template: &str) {
        self.note_read(site, template, &[]);
    }

    /// Notes that `site` reads keys of this template under these tags.
    pub(crate) fn note_read(&self, site: &'static Site, template: &str, tags: &[Tag]) {
        let only_template = !site.template.is_empty();
        if only_template && !site.is_new_to(self.cache) {
            return;
        }
        let mut sites = lock(&self.seen);
        match tag_template(template) {
            Some(tag) => add(&mut seen_of(&mut sites, tag).untaggers, site),
            None => {
                let seen = seen_of(&mut sites, template);
                add(if site.writes { &mut seen.writers } else { &mut seen.readers }, site);
            }
        }
        add_tags(&mut sites, site, template, tags);
    }

    /// Notes that `site` leaves values under keys of this template, stamped with these tags.
    pub(crate) fn note_tags(&self, site: &'static Site, template: &str, tags: &[Tag]) {
        if !tags.is_empty() {
            add_tags(&mut lock(&self.seen), site, template, tags);
        }
    }

    pub(crate) fn audit(&self) -> Audit {
        let mut audit = Audit::default();
        let sites = lock(&self.seen);
        for seen in sites.values() {
            if !seen.readers.is_empty() && !seen.is_invalidated(&sites) {
                audit.never_invalidated.push(finding(seen, &seen.readers));
            }
            if seen.readers.is_empty() && seen.taggers.is_empty() && !seen.writers.is_empty() {
                audit.never_cached.push(finding(seen, &seen.writers));
            }
            // A function of one key and one of many are two ways to the same entries.
            let many = seen.readers.iter().filter(|site| site.many).count();
            if many > 1 || seen.readers.len() - many > 1 {
                audit.shared.push(finding(seen, &seen.readers));
            }
            if !seen.taggers.is_empty() && !seen.is_invalidated_as_tag() {
                audit.tags_never_invalidated.push(finding(seen, &seen.taggers));
            }
            if seen.taggers.is_empty() && !seen.untaggers.is_empty() {
                audit.tags_never_named.push(finding(seen, &seen.untaggers));
            }
        }
        audit
    }
}

impl Seen {
    fn is_invalidated(&self, sites: &BTreeMap<String, Seen>) -> bool {
        let by_tag = |tag: &String| sites.get(tag).is_some_and(Self::is_invalidated_as_tag);
        !self.writers.is_empty() || self.tags.iter().any(by_tag)
    }

    /// A key that is invalidated voids what was loaded under it as a tag.
    fn is_invalidated_as_tag(&self) -> bool {
        !self.untaggers.is_empty() || !self.writers.is_empty()
    }
}

fn seen_of<'a>(sites: &'a mut BTreeMap<String, Seen>, template: &str) -> &'a mut Seen {
    let seen = sites.entry(shape(template)).or_default();
    if seen.template.is_empty() {
        template.clone_into(&mut seen.template);
    }
    seen
}

fn add_tags(sites: &mut BTreeMap<String, Seen>, site: &'static Site, template: &str, tags: &[Tag]) {
    for tag in tags {
        add(&mut seen_of(sites, tag.template()).taggers, site);
        seen_of(sites, template).tags.insert(shape(tag.template()));
    }
}

fn add(places: &mut Vec<&'static Site>, site: &'static Site) {
    if !places.iter().any(|place| std::ptr::eq(*place, site)) {
        places.push(site);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyBuf, Tag};

    static PAGES: Site = Site::read("pages", "pages:<org>", file!(), line!());
    static ADD: Site = Site::write("add", file!(), line!());
    static RENAME: Site = Site::write("rename", file!(), line!());

    fn tag(template: &'static str) -> Tag {
        Tag::new(template, |w| w.literal("tag"))
    }

    fn named(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.template.as_str()).collect()
    }

    #[test]
    fn a_tag_that_nothing_invalidates_and_one_that_nobody_names_are_found() {
        let sites = Sites::default();
        sites.note_read(&PAGES, "pages:<org>", &[tag("org:<org>"), tag("region:<r>")]);
        let audit = sites.audit();
        assert_eq!(named(&audit.tags_never_invalidated), ["org:<org>", "region:<r>"]);
        assert_eq!(named(&audit.never_invalidated), ["pages:<org>"]);
        let key = KeyBuf::new("og:<org>", |w| w.literal("og")).into_key();
        sites.note(&ADD, key.to_tag().template());
        assert_eq!(named(&sites.audit().tags_never_named), ["og:<org>"]);
        assert!(sites.audit().never_cached.is_empty(), "it is no key");
        assert!(sites.audit().to_string().contains("tag invalidated and never named: `og:<org>`"));
        assert!(sites.audit().except("og:<>").tags_never_named.is_empty());
    }

    #[test]
    fn a_template_is_invalidated_with_its_tags_and_a_tag_with_its_key() {
        let sites = Sites::default();
        sites.note_read(&PAGES, "pages:<org>", &[tag("org:<org>")]);
        sites.note(&ADD, "~t:org:<id>");
        assert!(sites.audit().is_clean(), "{}", sites.audit());
        let sites = Sites::default();
        sites.note_read(&PAGES, "pages:<org>", &[tag("org:<org>")]);
        sites.note(&RENAME, "org:<id>");
        assert!(sites.audit().is_clean(), "{}", sites.audit());
    }

    #[test]
    fn tags_of_a_writer_that_leaves_its_value_are_named() {
        let sites = Sites::default();
        sites.note(&ADD, "pages:<org>");
        sites.note_tags(&ADD, "pages:<org>", &[tag("org:<org>")]);
        assert_eq!(named(&sites.audit().tags_never_invalidated), ["org:<org>"]);
    }
}
