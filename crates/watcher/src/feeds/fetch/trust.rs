//! Who vouches for servers.

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::WatcherError;

/// The authorities that this system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` go before them), and those of the operator beside them.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    more: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Trusts the certificates of a PEM text too, such as that of a company's own authority. Other sections of it, such as keys, are left out.
    ///
    /// # Errors
    /// A text without any certificate, or with one that cannot be read.
    pub fn with_pem(mut self, pem: &[u8]) -> Result<Self, WatcherError> {
        let refuse = |problem: String| WatcherError::Authorities { problem };
        let before = self.more.len();
        for found in CertificateDer::pem_slice_iter(pem) {
            let certificate = found.map_err(|error| refuse(error.to_string()))?;
            // Whether it is one is found out here, not at each connection.
            RootCertStore::empty().add(certificate.clone()).map_err(|error| refuse(error.to_string()))?;
            self.more.push(certificate);
        }
        if self.more.len() == before {
            return Err(refuse("it holds no certificate".to_owned()));
        }
        Ok(self)
    }

    /// Everybody who is trusted.
    pub(super) fn roots(&self) -> RootCertStore {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (system, _) = roots.add_parsable_certificates(found.certs);
        let (more, _) = roots.add_parsable_certificates(self.more.iter().cloned());
        if system + more == 0 {
            tracing::warn!(
                hint = "install ca-certificates, set SSL_CERT_FILE, or name your own authorities in feeds.extra_ca",
                "this system trusts no certificate: no feed can be read over https"
            );
        }
        roots
    }
}
