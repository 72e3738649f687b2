//! Identities whose responses may not be shared, for a while: nobody is to wait for them.

use std::time::Duration;

use crate::{fading::Fading, identity::Identity};

/// So many are remembered.
const MOST: usize = 4096;

/// The identities whose last response was for one caller alone.
#[derive(Debug)]
pub(crate) struct Marks(Fading<Identity, ()>);

impl Marks {
    pub(crate) fn new(lasting: Duration) -> Self {
        Self(Fading::new(lasting))
    }

    pub(crate) fn is_marked(&self, identity: &Identity) -> bool {
        self.0.get(identity).is_some()
    }

    pub(crate) fn mark(&self, identity: &Identity) {
        self.0.with(|marks, now| {
            let is_new = !marks.contains_key(identity);
            if is_new && marks.len() >= MOST {
                marks.retain(|_, (until, ())| now < *until);
            }
            if !is_new || marks.len() < MOST {
                marks.insert(identity.clone(), (now + self.0.lasting, ()));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Kind,
        identity::{IdentityWriter, Part},
    };

    fn identity(n: usize) -> Identity {
        let mut writer = IdentityWriter::new("l", Kind::Http);
        writer.part(Part::Path, n.to_be_bytes());
        writer.finish()
    }

    #[tokio::test(start_paused = true)]
    async fn a_mark_lasts_for_a_while_and_the_table_is_bounded() {
        let marks = Marks::new(Duration::from_secs(10));
        assert!(!marks.is_marked(&identity(0)));
        (0..2 * MOST).for_each(|n| marks.mark(&identity(n)));
        assert!(marks.is_marked(&identity(0)) && !marks.is_marked(&identity(MOST)));
        assert_eq!(marks.0.len(), MOST);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!marks.is_marked(&identity(1)));
        marks.mark(&identity(MOST));
        marks.mark(&identity(MOST + 1));
        assert!(marks.is_marked(&identity(MOST)));
    }
}
