//! TLS for the link: the public authorities, those the user adds, and nobody else unless the URL says so.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::options::RedisOptions;
use super::url::{Address, Tls};
use crate::{Error, ErrorKind};

/// What to do about a certificate that is not trusted.
pub(super) const ADVICE: &str = "add the authority's certificate with `RedisOptions::root_certificates`, and check the host name of the URL";

/// Opens TLS streams to one host.
pub(super) struct Connector {
    tls: TlsConnector,
    host: ServerName<'static>,
}

impl Connector {
    /// The connector for `address`, or none where the URL asks for no TLS.
    pub(super) fn new(
        address: &Address,
        options: &RedisOptions,
    ) -> Result<Option<Connector>, Error> {
        let Address::Tcp { host, tls, .. } = address else { return Ok(None) };
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| config_error("TLS cannot be set up").with_source(error))?;
        let config = match tls {
            Tls::Off => return Ok(None),
            Tls::Verified => config.with_root_certificates(roots(options)?),
            Tls::Insecure => {
                tracing::warn!(host, "the certificate of this Redis is not verified (`#insecure`)");
                config.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)))
            }
        };
        let host = ServerName::try_from(host.clone()).map_err(|error| {
            config_error("the URL's host cannot have a certificate").with_source(error)
        })?;
        let tls = TlsConnector::from(Arc::new(config.with_no_client_auth()));
        Ok(Some(Connector { tls, host }))
    }

    pub(super) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.tls.connect(self.host.clone(), stream).await
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Whether the server was reached and is not to be trusted, or speaks no TLS: trying again will not help.
pub(super) fn is_distrust(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::InvalidMessage(_)))
}

fn roots(options: &RedisOptions) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for pem in &options.root_certificates {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| unreadable().with_source(error))?;
            roots.add(certificate).map_err(|error| unreadable().with_source(error))?;
        }
        if roots.len() == before {
            return Err(config_error("`root_certificates` holds no certificate; give PEM text"));
        }
    }
    Ok(roots)
}

fn unreadable() -> Error {
    config_error("`root_certificates` holds a certificate that cannot be read; give PEM text")
}

fn config_error(message: &'static str) -> Error {
    Error::new(ErrorKind::Config, super::CONNECT, message)
}

/// Takes any certificate, as `#insecure` asks; the handshake itself is still verified.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
