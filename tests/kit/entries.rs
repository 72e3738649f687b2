//! What Redis holds, seen past the cache.

use cachekit_test_support::{Connection, RedisServer, Reply};

use crate::NAMESPACE;

/// The keys of the tests' namespace, over a connection of its own.
#[derive(Debug)]
pub struct Entries(Connection);

impl Entries {
    /// Looks at this server.
    #[must_use]
    pub fn of(server: &RedisServer) -> Entries {
        Entries(server.connection())
    }

    /// Runs a command on the entry of `key`, which stands after the command's name.
    pub fn call(&mut self, name: &str, key: &str, args: &[&[u8]]) -> Reply {
        let key = format!("ck:{NAMESPACE}:{key}");
        let mut command = vec![name.as_bytes(), key.as_bytes()];
        command.extend(args);
        self.0.call(&command)
    }

    /// Runs any command.
    pub fn raw(&mut self, args: &[&str]) -> Reply {
        self.0.call(args)
    }

    /// The bytes of an entry, a lease included.
    ///
    /// # Panics
    /// When the key holds another type.
    pub fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        match self.call("GET", key, &[]) {
            Reply::Bulk(bytes) => bytes,
            other => panic!("{key} holds {other:?}"),
        }
    }

    /// Whether the key holds a lease.
    pub fn is_leased(&mut self, key: &str) -> bool {
        self.get(key).is_some_and(|bytes| bytes.get(2) == Some(&b'L'))
    }

    /// Whether the key holds a value or an absence.
    pub fn is_filled(&mut self, key: &str) -> bool {
        self.get(key).is_some_and(|bytes| matches!(bytes.get(2), Some(b'V' | b'N')))
    }

    /// The milliseconds an entry has left: -2 when there is none, -1 when it never expires.
    ///
    /// # Panics
    /// When Redis refuses.
    pub fn pttl(&mut self, key: &str) -> i64 {
        match self.call("PTTL", key, &[]) {
            Reply::Int(left) => left,
            other => panic!("PTTL: {other:?}"),
        }
    }

    /// The text of every key on the server that begins with `prefix`.
    ///
    /// # Panics
    /// When Redis refuses.
    pub fn keys(&mut self, prefix: &str) -> Vec<String> {
        let Reply::Array(keys) = self.raw(&["KEYS", &format!("{prefix}*")]) else {
            panic!("KEYS was refused")
        };
        let text = |key: Reply| String::from_utf8_lossy(&key.bytes().unwrap_or_default()).into();
        keys.into_iter().map(text).collect()
    }
}
