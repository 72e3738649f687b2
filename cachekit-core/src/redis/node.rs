//! What a Redis server says about itself, and whether it may serve as a cache.

use redis::Value;

/// The facts of `INFO` and `CONFIG GET` that matter to a cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Node {
    version: Option<(u32, u32)>,
    shown_version: String,
    replica: bool,
    replicas: u32,
    loading: bool,
    cluster: bool,
    append_only: bool,
    snapshots: bool,
    run: String,
    history: String,
}

impl Node {
    pub(super) fn parse(info: &str, config: &Value) -> Node {
        let mut node = Node::default();
        for (name, value) in info.lines().filter_map(|line| line.split_once(':')) {
            node.take_in(name, value.trim_end());
        }
        node.configured(config);
        node
    }

    fn take_in(&mut self, name: &str, value: &str) {
        match name {
            "redis_version" => {
                self.shown_version = value.to_owned();
                self.version = version(value);
            }
            "role" => self.replica = value == "slave",
            "connected_slaves" => self.replicas = value.parse().unwrap_or(0),
            "loading" => self.loading = value == "1",
            "redis_mode" => self.cluster = value == "cluster",
            "run_id" => self.run = value.to_owned(),
            "master_replid" => self.history = value.to_owned(),
            "aof_enabled" => self.append_only = value == "1",
            _ => {}
        }
    }

    /// `CONFIG GET save appendonly`, where the user may ask; snapshots show nowhere else.
    fn configured(&mut self, config: &Value) {
        let Value::Map(pairs) = config else { return };
        for (name, value) in pairs {
            let (Value::BulkString(name), Value::BulkString(value)) = (name, value) else {
                continue;
            };
            match name.as_slice() {
                b"save" => self.snapshots = !value.is_empty(),
                b"appendonly" => self.append_only = value == b"yes",
                _ => {}
            }
        }
    }

    /// Which server this is, and which history its data has: another text for another content.
    pub(super) fn lineage(&self) -> String {
        format!("{}/{}", self.run, self.history)
    }

    /// Who it is: another after a restart, and after it became the primary. `None` where it does not say.
    #[cfg(feature = "bloom")]
    pub(super) fn incarnation(&self) -> Option<super::Incarnation> {
        let says = !self.run.is_empty() && !self.history.is_empty();
        says.then(|| {
            let hash = blake3::hash(format!("{} {}", self.run, self.history).as_bytes());
            let mut incarnation = [0; 16];
            incarnation.copy_from_slice(&hash.as_bytes()[..16]);
            incarnation
        })
    }

    /// Why this server can never serve as a cache: nothing but another server or version will help.
    pub(super) fn unsuitable(&self) -> Option<String> {
        let (major, minor) = self.version.unwrap_or_default();
        (major < 7).then(|| {
            let found = match self.version {
                Some(_) => format!("is version {major}.{minor}"),
                None => format!("gives its version as `{}`", self.shown_version),
            };
            format!("the server {found}; cachekit needs Redis 7.0 or newer, or Valkey (for SET … NX GET)")
        })
    }

    /// Why this server cannot be used now.
    pub(super) fn not_now(&self) -> Option<&'static str> {
        if self.replica {
            return Some(
                "the server is a replica, which can neither lease nor invalidate; \
                 point the URL at the primary",
            );
        }
        self.loading.then_some("the server is loading its data set")
    }

    /// Why what is accepted here may be gone after a restart.
    #[cfg(feature = "events")]
    pub(super) fn forgets(&self) -> Option<&'static str> {
        (!self.append_only).then_some(
            "it keeps no log on disk, so a restart loses streams; run it with `appendonly yes`, apart from the cache",
        )
    }

    /// Why a vote that was given here may be given again while it counts, and what to do about it.
    pub(super) fn forgets_votes(&self) -> Vec<&'static str> {
        let mut advice = Vec::new();
        if !self.append_only {
            advice.push(
                "it keeps no log on disk, so a restart loses them; run it with `appendonly yes` and `appendfsync always`, \
                 or keep it out of reach after a restart for as long as the longest lease",
            );
        }
        if self.replicas > 0 {
            advice.push("it has replicas, and a failover loses what they were not sent yet; use a server without");
        }
        advice
    }

    /// What could bring invalidated entries back, or keep keys out of reach, and what to change.
    pub(super) fn advice(&self) -> Vec<&'static str> {
        let mut advice = Vec::new();
        if self.snapshots || self.append_only {
            advice.push(
                "it writes its data to disk, so a restart can bring invalidated entries back; \
                 run cache nodes with `save \"\"` and `appendonly no`",
            );
        }
        if self.replicas > 0 {
            advice.push(
                "it has replicas, so a failover can bring invalidated entries back; \
                 use a primary without replicas for the cache",
            );
        }
        if self.cluster {
            advice.push(
                "it runs in cluster mode, and keys of other nodes are not cached; \
                 use a standalone primary for the cache",
            );
        }
        advice
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: &str = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nloading:0\r\n\
        aof_enabled:0\r\nrole:master\r\nconnected_slaves:0\r\n";

    fn config(save: &str, append_only: &str) -> Value {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        Value::Map(vec![(bulk("save"), bulk(save)), (bulk("appendonly"), bulk(append_only))])
    }

    #[test]
    fn a_primary_without_persistence_passes_without_a_word() {
        let node = Node::parse(PRIMARY, &config("", "no"));
        assert_eq!((node.unsuitable(), node.not_now()), (None, None));
        assert!(node.advice().is_empty());
    }

    #[test]
    fn an_old_server_is_refused_with_the_version_it_needs() {
        let old = PRIMARY.replace("7.0.15", "6.2.14");
        let text = Node::parse(&old, &Value::Nil).unsuitable().unwrap();
        assert!(text.contains("version 6.2") && text.contains("7.0 or newer"), "{text}");
        let text = Node::parse("redis_version:dev\r\n", &Value::Nil).unsuitable().unwrap();
        assert!(text.contains("`dev`"), "{text}");
        assert_eq!(Node::parse("redis_version:10.2\r\n", &Value::Nil).unsuitable(), None);
    }

    #[test]
    fn a_replica_or_a_loading_server_is_not_used_now() {
        let replica = Node::parse(&PRIMARY.replace("role:master", "role:slave"), &Value::Nil);
        assert!(replica.not_now().unwrap().contains("point the URL at the primary"));
        let loading = Node::parse(&PRIMARY.replace("loading:0", "loading:1"), &Value::Nil);
        assert!(loading.not_now().unwrap().contains("loading"));
    }

    #[test]
    fn whatever_can_roll_the_data_back_is_named() {
        let advice = |info: &str, config: &Value| Node::parse(info, config).advice();
        #[cfg(feature = "events")]
        {
            let forgets = |config: &Value| Node::parse(PRIMARY, config).forgets();
            assert!(forgets(&config("", "no")).unwrap().contains("`appendonly yes`"));
            assert_eq!(forgets(&config("", "yes")), None);
        }
        assert!(advice(PRIMARY, &config("3600 1", "no"))[0].contains("`save \"\"`"));
        assert!(advice(PRIMARY, &config("", "yes"))[0].contains("appendonly no"));
        let aof = PRIMARY.replace("aof_enabled:0", "aof_enabled:1");
        assert_eq!(advice(&aof, &Value::Nil).len(), 1);
        let replicated = PRIMARY.replace("connected_slaves:0", "connected_slaves:2");
        assert!(advice(&replicated, &config("", "no"))[0].contains("failover"));
        let cluster = PRIMARY.replace("standalone", "cluster");
        assert!(advice(&cluster, &config("", "no"))[0].contains("cluster mode"));
    }
}
