//! The service without the layer is the oracle.

use bytes::Bytes;
use cachekit_tower::CacheLayer;
use http::HeaderValue;
use http_body_util::Full;
use proptest::prelude::*;

use crate::replies::{
    Reply, Seen, Site, answer, cache, front, get, reply, request, send, users, with,
};

fn handler_lines() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let name = prop_oneof![
        "x-[a-d]",
        Just("link".to_owned()),
        Just("etag".to_owned()),
        Just("vary".to_owned()),
        Just("date".to_owned()),
        Just("content-type".to_owned()),
        Just("warning".to_owned())
    ];
    let value = prop::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff], 0..12);
    prop::collection::vec((name, value), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn hit_equals_miss_bytewise(
        lines in handler_lines(),
        body in prop::collection::vec(any::<u8>(), 0..64),
        status in prop::sample::select(vec![200_u16, 203, 204, 301, 308, 404, 410]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let make = move || {
                let mut response = answer(status, &[], body.clone());
                for (name, value) in &lines {
                    if let (Ok(name), Ok(value)) =
                        (http::HeaderName::try_from(name), HeaderValue::from_bytes(value))
                    {
                        let value = if name == "vary" { HeaderValue::from_static("accept") } else { value };
                        response.headers_mut().append(name, value);
                    }
                }
                response
            };
            let bare = make.clone();
            let site = Site::new(move |_| { let response = make(); async move { response } });
            let front = front(users(&cache()).vary(["accept"]), &site);
            let strip = |mut reply: Reply| {
                reply.headers.remove("age");
                reply.headers.remove("cache-status");
                reply
            };
            let miss = strip(send(&front, get("/users/1")).await);
            let hit = strip(send(&front, get("/users/1")).await);
            assert_eq!(site.calls(), 1);
            let order = |reply: &Reply| -> Vec<_> {
                reply.headers.iter().map(|(n, v)| (n.clone(), v.clone())).collect()
            };
            assert_eq!(order(&miss), order(&hit));
            assert_eq!(miss, hit);
            // All that the handler said is there, in its order.
            let bare = reply(bare()).await;
            let own: Vec<_> = order(&hit).into_iter().filter(|(n, _)| bare.headers.contains_key(n)).collect();
            assert_eq!(own, order(&bare));
            assert_eq!((hit.status, hit.body), (bare.status, bare.body));
        });
    }

    /// The bare service is the oracle: it answers with all that it depends on. What a request is given through the layer
    /// must be what it is given alone, whatever others asked before.
    #[test]
    fn nobody_is_served_a_response_of_another_identity(
        asked in prop::collection::vec(any_request(), 2..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let site = Site::new(|request: Seen| async move {
                let (parts, _) = request.into_parts();
                let mut told = format!("{} {}", parts.method, parts.uri.path_and_query().unwrap());
                for name in ["authorization", "cookie", "x-api-key", "accept", "x-tenant", "host", "x-evil", "origin"] {
                    let lines = parts.headers.get_all(name).iter().map(|line| line.to_str().unwrap().trim());
                    let text = lines.collect::<Vec<_>>().join(", ");
                    told.push_str(&format!("|{name}={text}"));
                }
                with(&[("cache-control", "public, max-age=60")], told)
            });
            let layer = CacheLayer::builder(&cache()).any_path().ttl("60s").vary(["accept", "x-tenant"]);
            let front = front(layer, &site);
            for (number, asked) in asked.iter().enumerate() {
                let reply = send(&front, asked.request()).await;
                let bypassed = reply.cache().contains("fwd=bypass") || reply.cache().contains("fwd=method");
                assert_eq!(reply.text(), asked.expected(bypassed), "{number} {asked:?} {}", reply.cache());
                if asked.has_credentials() {
                    assert!(bypassed, "{asked:?}");
                }
            }
        });
    }
}

#[derive(Clone, Debug)]
struct Asked {
    method: &'static str,
    path: &'static str,
    lines: Vec<(&'static str, &'static str)>,
}

fn any_request() -> impl Strategy<Value = Asked> {
    let line = prop_oneof![
        8 => (prop::sample::select(vec!["accept", "x-tenant", "x-evil", "origin"]), prop::sample::select(vec!["a", "b", " a"])),
        2 => (prop::sample::select(vec!["authorization", "cookie", "x-api-key"]), prop::sample::select(vec!["u1", "u2"])),
    ];
    let host = prop::sample::select(vec!["a.com", "b.com"]);
    let path = prop::sample::select(vec!["/x", "/y", "/x?q=1", "/x?q=2", "/%78"]);
    let method = prop::sample::select(vec!["GET", "GET", "GET", "OPTIONS"]);
    (method, path, host, prop::collection::vec(line, 0..4)).prop_map(
        |(method, path, host, lines)| {
            let lines = std::iter::once(("host", host)).chain(lines).collect();
            Asked { method, path, lines }
        },
    )
}

impl Asked {
    fn request(&self) -> http::Request<Full<Bytes>> {
        request(self.method, self.path, &self.lines)
    }

    fn has_credentials(&self) -> bool {
        self.lines.iter().any(|(name, _)| ["authorization", "cookie", "x-api-key"].contains(name))
    }

    fn expected(&self, bypassed: bool) -> String {
        let mut told = format!("{} {}", self.method, self.path);
        for name in [
            "authorization",
            "cookie",
            "x-api-key",
            "accept",
            "x-tenant",
            "host",
            "x-evil",
            "origin",
        ] {
            let shown = bypassed || ["accept", "x-tenant", "host"].contains(&name);
            let lines = self.lines.iter().filter(|(own, _)| *own == name && shown);
            let text = lines.map(|(_, value)| value.trim()).collect::<Vec<_>>().join(", ");
            told.push_str(&format!("|{name}={text}"));
        }
        told
    }
}
