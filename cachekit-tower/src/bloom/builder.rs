//! Building the layer.

use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};

use bytes::Bytes;
use cachekit_core::{KeyArg, Segment, bloom::Bloom};
use http::{Method, Response, request::Parts};

use super::{
    BloomLayer,
    layer::{Counts, Shared},
    question::{Ask, Question},
};
use crate::{BuildError, Rejection, builder::Mistakes, key::Keys, reject::Rejecter};

/// Asks for an id by its text.
pub(super) type ByText = dyn Ask<str>;
/// Asks for an id by a request's head.
pub(super) type ByHead = dyn Ask<Parts>;
/// Asks for an id by a call's message.
pub(super) type ByMessage = dyn Ask<[u8]>;

/// Collects what a [`BloomLayer`] is to be like.
#[must_use = "call `build`"]
pub struct BloomLayerBuilder<K: ?Sized> {
    filter: Bloom<K>,
    keys: Keys,
    by_text: Option<Arc<ByText>>,
    by_head: Option<Arc<ByHead>>,
    by_message: HashMap<String, Arc<ByMessage>>,
    methods: Vec<Method>,
    rejecter: Rejecter,
    mistakes: Mistakes,
}

impl<K: ?Sized> BloomLayerBuilder<K> {
    pub(super) fn new(filter: &Bloom<K>) -> Self {
        Self {
            filter: filter.clone(),
            keys: Keys::default(),
            by_text: None,
            by_head: None,
            by_message: HashMap::new(),
            methods: vec![Method::GET, Method::HEAD],
            rejecter: Rejecter::default(),
            mistakes: Mistakes::default(),
        }
    }

    /// The path that names the parameters, such as `/users/{id}`; needed where no router of axum's is outside.
    pub fn path(mut self, pattern: &str) -> Self {
        self.keys.path(pattern, &mut self.mistakes);
        self
    }

    /// Further methods of HTTP that are asked for, besides `GET` and `HEAD`.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods.extend(methods);
        self
    }

    /// Answers refused requests itself.
    pub fn on_reject(
        mut self,
        answer: impl Fn(&Rejection, &Parts) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.rejecter.own = Some(Arc::new(answer));
        self
    }

    /// Builds the layer.
    ///
    /// # Errors
    ///
    /// All mistakes at once: nothing that makes an id, or two things; templates and paths that are none.
    pub fn build(mut self) -> Result<BloomLayer, BuildError> {
        self.keys.check(&mut self.mistakes);
        if self.by_text.is_none() && self.by_head.is_none() && self.by_message.is_empty() {
            self.mistakes.add("no id: call `key`, `id_with` or `method`");
        }
        if self.by_text.is_some() && self.by_head.is_some() {
            self.mistakes.add("an id is made by `key` or by `id_with`, not by both");
        }
        self.mistakes.finish("the bloom layer")?;
        Ok(BloomLayer::of(Arc::new(Shared {
            filter: self.filter.name().into(),
            keys: self.keys,
            by_text: self.by_text,
            by_head: self.by_head,
            by_message: self.by_message,
            methods: self.methods,
            rejecter: self.rejecter,
            counts: Counts::default(),
        })))
    }

    fn template(&mut self, template: &str) {
        if self.by_text.is_some() {
            self.mistakes.add("`key` is given twice: a filter has one id");
        }
        self.keys.template(template, &mut self.mistakes);
        if self.keys.placeholders().is_some_and(|placeholders| placeholders != 1) {
            let template = template.escape_debug();
            self.mistakes.add(format!(
                "key template `{template}`: one placeholder is the id; for more call `id_with`"
            ));
        }
    }
}

impl<K> BloomLayerBuilder<K>
where
    K: Segment + FromStr + Send + 'static,
{
    /// The key of the request, whose one placeholder is the id: `<name>` is a parameter of the path, `<query.name>` and
    /// `<header.name>` are values. A text that is no id of the filter's type passes.
    pub fn key(mut self, template: &str) -> Self {
        self.template(template);
        let parse = |text: &str| text.parse::<K>().ok();
        self.by_text = Some(Arc::new(Question::new(self.filter.clone(), parse)));
        self
    }
}

impl BloomLayerBuilder<str> {
    /// The key of the request, whose one placeholder is the id: `<name>` is a parameter of the path, `<query.name>` and
    /// `<header.name>` are values.
    pub fn key(mut self, template: &str) -> Self {
        self.template(template);
        let find = |text: &str| Some(text.to_owned());
        self.by_text = Some(Arc::new(Question::<str, _, String>::new(self.filter.clone(), find)));
        self
    }
}

impl<K: Segment + ?Sized + 'static> BloomLayerBuilder<K> {
    /// The id that a function finds in the request's head; with `None` the request passes.
    pub fn id_with<A>(mut self, find: impl Fn(&Parts) -> Option<A> + Send + Sync + 'static) -> Self
    where
        A: KeyArg<K> + Send + 'static,
    {
        self.by_head = Some(Arc::new(Question::new(self.filter.clone(), find)));
        self
    }

    /// A gRPC method that is asked for, by its path, such as `/shop.Users/GetUser`, and the id in its message. A
    /// compressed message passes.
    #[cfg(feature = "grpc")]
    pub fn method<M, A>(
        mut self,
        path: &str,
        id: impl Fn(&M) -> Option<A> + Send + Sync + 'static,
    ) -> Self
    where
        M: prost::Message + Default + 'static,
        A: KeyArg<K> + Send + 'static,
    {
        let find = move |message: &[u8]| id(&M::decode(message).ok()?);
        let question = Question::new(self.filter.clone(), find);
        let names = path.strip_prefix('/').and_then(|rest| rest.split_once('/'));
        if names.is_none_or(|(service, method)| service.is_empty() || method.is_empty()) {
            let path = path.escape_debug();
            self.mistakes.add(format!("method `{path}`: write `/package.Service/Method`"));
        }
        self.by_message.insert(path.to_owned(), Arc::new(question));
        self
    }
}

impl<K: ?Sized> fmt::Debug for BloomLayerBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BloomLayerBuilder").field("filter", &self.filter).finish_non_exhaustive()
    }
}
