//! The user's handler, without its types.

use std::error;
use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use serde::de::DeserializeOwned;

use super::Message;
use crate::redis::Fields;
use crate::retry::Transient;

/// The user's own error.
pub(crate) type Fault = Box<dyn error::Error + Send + Sync>;

type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// Why a message was not handled.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It will never be a message of this type.
    Undecodable(String),
    /// What it needs is away: it is not the message's fault.
    Away(String),
    /// The handler returned an error, or panicked.
    Failed(String),
}

/// What is called with each message.
#[derive(Clone)]
pub(super) struct Handler(Arc<dyn Fn(Arc<Fields>, u32) -> Running<'static> + Send + Sync>);

impl Handler {
    pub(super) fn new<T, E, F, Fut>(handler: F) -> Handler
    where
        T: DeserializeOwned + Send + 'static,
        E: Into<Fault> + 'static,
        F: Fn(Message<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Handler(Arc::new(move |fields, attempt| {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let message = Message::<T>::decode(&fields, attempt)?;
                handler(message).await.map_err(|error| Failure::of(&error.into()))
            })
        }))
    }

    /// Handles one message. A panic in it is a failure.
    pub(super) async fn call(&self, fields: Arc<Fields>, attempt: u32) -> Result<(), Failure> {
        guarded((self.0)(fields, attempt)).await
    }
}

/// Runs user code. A panic in it is a failure.
pub(crate) async fn guarded(
    code: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let mut running = pin!(code);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
        Ok(polled) => polled,
        Err(_) => Poll::Ready(Err(Failure::Failed("the handler panicked".to_owned()))),
    })
    .await
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler(..)")
    }
}

impl Failure {
    pub(crate) fn of(error: &Fault) -> Failure {
        let text = error.to_string();
        if error.is_transient() { Failure::Away(text) } else { Failure::Failed(text) }
    }
}
