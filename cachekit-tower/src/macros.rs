//! What services, and builders, of several layers have alike.

/// The ways from a service to the one inside, its field `inner`.
macro_rules! wraps {
    ($Service:ident<S $(, $K:ident)?>) => {
        impl<S $(, $K)?> $Service<S $(, $K)?> {
            /// The service inside.
            pub fn get_ref(&self) -> &S {
                &self.inner
            }

            /// The service inside.
            pub fn get_mut(&mut self) -> &mut S {
                &mut self.inner
            }

            /// The service inside.
            pub fn into_inner(self) -> S {
                self.inner
            }
        }
    };
}

/// The options that say which requests a layer is for, what their keys are and what refused ones are answered with: of a
/// builder with the fields `requests`, `rejecter` and `mistakes`.
macro_rules! request_options {
    ($Builder:ident, to $does:literal, those that $are:literal, $methods:literal, $unread:literal) => {
        impl $Builder {
            #[doc = concat!("A key to ", $does, ", as a template over the request: `<name>` is a parameter of the path,")]
            /// `<query.name>` and `<header.name>` are values, `<host>` the authority. Eight at most.
            pub fn key(mut self, template: &str) -> Self {
                self.requests.keys.template(template, &mut self.mistakes);
                self
            }

            /// A key that a function makes of the request's head.
            pub fn key_with(
                mut self,
                key: impl Fn(&request::Parts) -> Result<Key, KeyMissing> + Send + Sync + 'static,
            ) -> Self {
                self.requests.with_key(Arc::new(key));
                self
            }

            /// The path that names the parameters, such as `/users/{id}`; needed where no router of axum's is outside.
            pub fn path(mut self, pattern: &str) -> Self {
                self.requests.keys.path(pattern, &mut self.mistakes);
                self
            }

            #[doc = concat!("The methods of HTTP that ", $are, ": all but `GET`, `HEAD`, `OPTIONS`, `TRACE`, `QUERY` and")]
            #[doc = concat!("`CONNECT` by default", $methods, ".")]
            pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
                self.requests.set_methods(methods);
                self
            }

            #[doc = concat!("The gRPC methods that ", $are, ", by their paths, such as `/shop.Users/Rename`. Their keys are")]
            /// made of metadata.
            pub fn calls<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
                for path in paths {
                    self.requests.add_call(path.into(), &mut self.mistakes);
                }
                self
            }

            #[doc = concat!("One of the gRPC methods that ", $are, ", and a key made of its message.")]
            #[doc = concat!("A compressed message has none: ", $unread, ".")]
            #[cfg(feature = "grpc")]
            pub fn method<M: prost::Message + Default>(
                mut self,
                path: &str,
                key: impl Fn(&M) -> Key + Send + Sync + 'static,
            ) -> Self {
                self.requests.add_message(path, key, &mut self.mistakes);
                self
            }

            /// Answers refused requests itself.
            pub fn on_reject(
                mut self,
                answer: impl Fn(&Rejection, &request::Parts) -> Response<Bytes> + Send + Sync + 'static,
            ) -> Self {
                self.rejecter.own = Some(Arc::new(answer));
                self
            }
        }
    };
}

pub(crate) use {request_options, wraps};
