//! Keys that whole responses are kept under, by layers around handlers.

use std::sync::Arc;

use super::Key;

/// Keys of responses, which are no user's: they begin with `~r:`, as no template may.
///
/// Nobody invalidates them: responses go by the [tags](crate::Cache::tagged) that they are read under.
///
/// ```
/// use cachekit_core::key::ResponseKeys;
///
/// let keys = ResponseKeys::new("http");
/// let key = keys.key(&[0xab; 16]);
/// assert_eq!(key.as_str(), "~r:http:abababababababababababababababab");
/// assert_eq!(key.template(), "~r:http:<identity>");
/// ```
#[derive(Clone, Debug)]
pub struct ResponseKeys {
    template: Arc<str>,
    layer: Arc<str>,
}

impl ResponseKeys {
    /// Those of one layer, by its name.
    #[must_use]
    pub fn new(layer: &str) -> Self {
        Self { template: format!("~r:{layer}:<identity>").into(), layer: layer.into() }
    }

    /// The key of the response to a request of this identity.
    #[must_use]
    pub fn key(&self, identity: &[u8; 16]) -> Key {
        let text = format!("{:032x}", u128::from_be_bytes(*identity));
        let key = Key::try_new(&self.template, |w| {
            w.literal("~r:");
            w.str(&self.layer);
            w.literal(":");
            w.str(&text);
            Ok::<_, std::convert::Infallible>(())
        });
        match key {
            Ok(key) => key,
            Err(never) => match never {},
        }
    }
}
