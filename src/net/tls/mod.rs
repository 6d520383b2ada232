//! TLS: certificates from files, handshakes, and new certificates without an end of what runs.

mod common_name;

use super::plain::Plain;
use crate::config::{ClientCertificates, TlsSettings};
use common_name::common_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientCertVerifierBuilder, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Why certificates cannot be used. Each names the file and the key of the configuration that names it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("tls.{key}: cannot read {}: {source}", file.display())]
    Read {
        /// Key of the configuration.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file does not hold what it should.
    #[error("tls.{key}: {} is not usable: {what}", file.display())]
    Content {
        /// Key of the configuration.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// TLS of one listener.
#[derive(Debug)]
pub struct Tls {
    settings: TlsSettings,
    /// What new connections get; those that run keep what they began with.
    current: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn load(settings: TlsSettings) -> Result<Tls, TlsError> {
        let current = RwLock::new(Arc::new(server_config(&settings)?));
        Ok(Tls { settings, current })
    }

    /// Reads the files again, for connections that come from now on.
    ///
    /// # Errors
    /// See [`TlsError`]. What was read before stays in use then.
    pub fn reload(&self) -> Result<(), TlsError> {
        let new = Arc::new(server_config(&self.settings)?);
        // Nothing that is done under the lock can leave it half changed, so a poisoned lock is still good.
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Makes the handshake. Tells who the client is, if its certificate is to tell.
    pub(super) async fn accept(&self, stream: Plain) -> io::Result<(TlsStream<Plain>, Option<Box<str>>)> {
        let config = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        let is_identity = self.settings.clients.authority().is_some_and(|authority| authority.identity_as_user_name);
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let identity = match certificate.filter(|_| is_identity) {
            None => None,
            Some(certificate) => {
                let name = common_name(certificate).ok_or_else(|| {
                    io::Error::new(io::ErrorKind::InvalidData, "the client's certificate names nobody, or several")
                })?;
                Some(name.into())
            }
        };
        Ok((stream, identity))
    }
}

fn server_config(settings: &TlsSettings) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates("certificate", &settings.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key).map_err(|error| pem_error("key", &settings.key, error))?;
    let content = |what: rustls::Error| {
        let what = format!("{what} (with the key {})", settings.key.display());
        TlsError::Content { key: "certificate", file: settings.certificate.clone(), what }
    };
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(content)?;
    let builder = match &settings.clients {
        ClientCertificates::Off => builder.with_no_client_auth(),
        ClientCertificates::Optional(authority) => {
            let verifier = verifier(&authority.file, &provider, ClientCertVerifierBuilder::allow_unauthenticated)?;
            builder.with_client_cert_verifier(verifier)
        }
        ClientCertificates::Required(authority) => {
            builder.with_client_cert_verifier(verifier(&authority.file, &provider, |builder| builder)?)
        }
    };
    builder.with_single_cert(chain, key).map_err(content)
}

fn verifier(
    file: &Path,
    provider: &Arc<CryptoProvider>,
    change: impl FnOnce(ClientCertVerifierBuilder) -> ClientCertVerifierBuilder,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let content = |what: String| TlsError::Content { key: "client_ca", file: file.to_owned(), what };
    let mut roots = RootCertStore::empty();
    for certificate in certificates("client_ca", file)? {
        roots.add(certificate).map_err(|error| content(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    change(builder).build().map_err(|error: VerifierBuilderError| content(error.to_string()))
}

fn certificates(key: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| pem_error(key, file, error))?;
    if certificates.is_empty() {
        let what = "it holds no certificate in PEM form".to_owned();
        return Err(TlsError::Content { key, file: file.to_owned(), what });
    }
    Ok(certificates)
}

fn pem_error(key: &'static str, file: &Path, error: PemError) -> TlsError {
    let file = file.to_owned();
    match error {
        PemError::Io(source) => TlsError::Read { key, file, source },
        PemError::NoItemsFound => TlsError::Content { key, file, what: "it holds none in PEM form".to_owned() },
        other => TlsError::Content { key, file, what: other.to_string() },
    }
}
