//! TLS of a load: the certificate authority that a scenario names, and a client that trusts it and nobody else.
//!
//! Chain, name and dates are verified with every connection: sessions are never resumed, because a resumed one shows no
//! certificate (RFC 8446, section 2.2), and a load that asked for none would not notice that it has expired.

use super::Failure;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{CertificateError, ClientConfig, Error, RootCertStore};

/// Where the certificate authority is that a load trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Ca {
    /// Here: one certificate or several, PEM.
    Pem {
        /// The text.
        pem: String,
    },
    /// In a container of the stack, which made it at its start: read when the load starts.
    Service {
        /// The service.
        service: String,
        /// The file in its container, PEM.
        path: String,
    },
}

/// Checks that a text holds certificates that can be trusted as an authority.
///
/// # Errors
/// In plain words, what is wrong with it.
pub fn check_ca(pem: &str) -> Result<(), String> {
    roots(pem).map(drop)
}

fn roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| "it is not PEM: a section in it is broken".to_string())?;
        roots.add(certificate).map_err(|error| format!("a certificate in it cannot be trusted: {error}"))?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in it: it begins with `-----BEGIN CERTIFICATE-----`".into());
    }
    Ok(roots)
}

/// Makes the connections of one load to one host.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// A client that trusts the authorities in `pem` to vouch for `host`, a name or an address.
    pub(super) fn new(pem: &str, host: &str) -> Result<Tls, String> {
        let roots = roots(pem).map_err(|reason| format!("`tls.ca`: {reason}"))?;
        let name = ServerName::try_from(host.to_string())
            .map_err(|_| format!("`{host}` is no name for which there could be a certificate"))?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls { config: Arc::new(config), name })
    }

    /// The handshake on an open connection.
    pub(super) async fn handshake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        let connector = TlsConnector::from(self.config.clone());
        connector.connect(self.name.clone(), stream).await.map_err(|error| of_handshake(&error))
    }
}

/// What a handshake that failed means.
fn of_handshake(error: &io::Error) -> Failure {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return Failure::of_io(error);
    };
    let Error::InvalidCertificate(reason) = tls else { return Failure::Tls };
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Failure::TlsExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Failure::TlsNotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Failure::TlsName,
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Failure::TlsUntrusted,
        _ => Failure::Tls,
    }
}
