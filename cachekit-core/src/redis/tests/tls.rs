//! TLS against a real server, with an authority and a certificate made for the test.

use std::fs;
use std::path::Path;

use cachekit_test_support::{RedisServer, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::lease;
use crate::redis::{RedisOptions, RedisStore};
use crate::{Error, ErrorKind};

struct TlsServer {
    server: RedisServer,
    authority: String,
    _dir: TempDir,
}

impl TlsServer {
    fn start() -> TlsServer {
        let dir = tempfile::tempdir().unwrap();
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned()];
        let certificate =
            CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap().pem();
        let file = |name: &str, text: &str| {
            let path = Path::new(dir.path()).join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let files = TlsFiles {
            ca: file("ca.pem", &authority_pem),
            certificate: file("certificate.pem", &certificate),
            key: file("key.pem", &key.serialize_pem()),
        };
        TlsServer { server: RedisServer::start_tls(&files), authority: authority_pem, _dir: dir }
    }

    async fn connect(&self, host: &str, options: RedisOptions) -> Result<RedisStore, Error> {
        let url = format!("rediss://{}", host.replace("PORT", &self.server.tls_port().to_string()));
        RedisStore::connect(&url, "test", options).await
    }
}

#[tokio::test]
async fn a_private_authority_is_trusted_once_it_is_given() {
    let tls = TlsServer::start();
    let options = RedisOptions::new().root_certificates(tls.authority.as_bytes());
    let store = tls.connect("127.0.0.1:PORT", options).await.unwrap();
    assert!(store.is_up());
    lease(&store, "k").await;
    store.shutdown().await;
}

#[tokio::test]
async fn an_unknown_authority_is_an_error_that_says_what_to_do() {
    let tls = TlsServer::start();
    let error = tls.connect("127.0.0.1:PORT", RedisOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("root_certificates"), "{error}");
}

#[tokio::test]
async fn a_certificate_of_another_host_is_refused() {
    let tls = TlsServer::start();
    let options = RedisOptions::new().root_certificates(tls.authority.as_bytes());
    let error = tls.connect("localhost:PORT", options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("host name"), "{error}");
}

#[tokio::test]
async fn the_insecure_fragment_takes_any_certificate() {
    let tls = TlsServer::start();
    let store = tls.connect("127.0.0.1:PORT#insecure", RedisOptions::new()).await.unwrap();
    lease(&store, "k").await;
}

#[tokio::test]
async fn certificates_that_are_none_are_an_error() {
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"]
    {
        let options = RedisOptions::new().root_certificates(pem);
        let error = RedisStore::connect("rediss://127.0.0.1:1", "test", options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{pem:?}");
        assert!(error.message().contains("PEM"), "{error}");
    }
}
