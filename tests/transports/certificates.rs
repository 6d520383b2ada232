//! Certificates made for a test, and a TLS client that trusts them.

use crate::support::PATIENCE;
use crate::support::stream::Stream;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned, SupportedProtocolVersion, version,
};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Both versions that are spoken.
pub const TLS_VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// Somebody who vouches for others.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("randomness");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// Its own certificate, as a file.
    pub fn file(&self, folder: &Path, name: &str) -> PathBuf {
        write(folder, name, &self.pem)
    }

    /// A certificate for this machine, as files `server.pem` and `server.key`.
    pub fn write_server(&self, folder: &Path) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("a name");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let (certificate, key) = self.sign(&params);
        write(folder, "server.pem", &certificate);
        write(folder, "server.key", &key);
    }

    /// A certificate for a client with a common name: certificate and key.
    pub fn client(&self, name: &str) -> (String, String) {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(&params)
    }

    /// A certificate for a client, as files: certificate and key.
    pub fn write_client(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = self.client(name);
        (write(folder, "client.pem", &certificate), write(folder, "client.key", &key))
    }

    /// The first bytes of a client that trusts this authority.
    pub fn hello(&self) -> Vec<u8> {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut client = ClientConnection::new(self.trusted(&TLS_VERSIONS, None), name).expect("a client");
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("a vector takes everything");
        bytes
    }

    fn sign(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().expect("randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// What a client that trusts this authority does, with a certificate of its own or without.
    pub fn trusted(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        own: Option<&(String, String)>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).expect("PEM")).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(versions).expect("versions that ring has");
        let builder = builder.with_root_certificates(roots);
        Arc::new(match own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM")];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(chain, key).expect("key and certificate belong together")
            }
        })
    }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text).expect("a writable folder");
    file
}

/// A blocking TLS stream of a test.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// Opens a connection and makes the handshake as far as the client can see it.
pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<TlsStream> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut connection = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(connection, socket))
}

/// The version that both sides agreed on.
pub fn agreed(stream: &TlsStream) -> Option<ProtocolVersion> {
    stream.conn.protocol_version()
}

impl Stream for TlsStream {
    fn wait_at_most(&mut self, patience: Duration) {
        self.sock.wait_at_most(patience);
    }

    fn shut_down(&mut self) {
        self.sock.shut_down();
    }
}
