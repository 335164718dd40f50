//! TLS to ClickHouse: whom weir trusts, who weir is, and what to do when a handshake fails.
//!
//! There is no way to switch a check off: an authority of one's own is a file in PEM.

use super::ConfigError;
use hyper_util::client::legacy::Error as LegacyError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::error::Error;
use std::io;
use std::sync::Arc;

/// What is trusted, and who weir is. Has no `Debug`, since it holds a key.
#[derive(Clone, Default)]
pub struct Tls {
    /// Authorities in PEM that are trusted instead of the system's.
    pub ca: Option<String>,
    /// weir's own certificate, with those that signed it, and its key, both in PEM.
    pub identity: Option<(String, String)>,
}

impl Tls {
    /// Whether its files hold what they should.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.ca.is_none() && self.identity.is_none() {
            return Ok(());
        }
        configuration(self).map(drop)
    }
}

/// rustls's configuration.
pub(super) fn configuration(tls: &Tls) -> Result<ClientConfig, ConfigError> {
    let refused = |key, what: String| ConfigError::Tls { key, what };
    // Named here, since a second provider in the process would make a default ambiguous.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused("tls", error.to_string()))?
        .with_root_certificates(roots(tls.ca.as_deref())?);
    let Some((certificates, key)) = &tls.identity else { return Ok(builder.with_no_client_auth()) };
    let chain = read_certificates("cert_file", certificates)?;
    // What is wrong with a key is not repeated: it might quote the key.
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| refused("key_file", "holds no private key in PEM that is not encrypted".into()))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| refused("key_file", format!("does not belong to clickhouse.tls.cert_file: {error}")))
}

fn roots(ca: Option<&str>) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    let Some(ca) = ca else {
        // Some of the system's may be unreadable or odd, which must not take the others away.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return match roots.is_empty() {
            true => Err(ConfigError::Tls { key: "ca_file", what: "is needed: this system trusts no authority".into() }),
            false => Ok(roots),
        };
    };
    for certificate in read_certificates("ca_file", ca)? {
        let what = |error| format!("holds what is no authority's certificate: {error}");
        roots.add(certificate).map_err(|error| ConfigError::Tls { key: "ca_file", what: what(error) })?;
    }
    Ok(roots)
}

fn read_certificates(key: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let certificates = read.map_err(|error| ConfigError::Tls { key, what: format!("is not PEM: {error}") })?;
    match certificates.is_empty() {
        true => Err(ConfigError::Tls { key, what: "holds no certificate in PEM".into() }),
        false => Ok(certificates),
    }
}

/// How a connection ends that the other side closes.
const HUNG_UP: [io::ErrorKind; 3] =
    [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof, io::ErrorKind::BrokenPipe];

/// What to do about a connection that failed, if its error says so.
pub(super) fn remedy(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    let mut connecting = false;
    while let Some(error) = cause {
        connecting |= error.downcast_ref::<LegacyError>().is_some_and(LegacyError::is_connect);
        // A server that speaks no TLS may hang up before what it says of that is read.
        if connecting && error.downcast_ref::<io::Error>().is_some_and(|error| HUNG_UP.contains(&error.kind())) {
            return Some(
                "The server ended the handshake; perhaps that port does not speak TLS: give clickhouse.url the port for \
                 HTTPS (8443), or http://",
            );
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return handshake_remedy(error);
        }
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return Some("That is no HTTP: give clickhouse.url the HTTP port (8123), or https:// and its port (8443)");
        }
        // An I/O error's source is that of the error in it, not that error itself.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = inner.map(|inner| inner as &(dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

fn handshake_remedy(error: &rustls::Error) -> Option<&'static str> {
    use CertificateError as Certificate;
    Some(match error {
        rustls::Error::InvalidCertificate(Certificate::UnknownIssuer | Certificate::BadSignature) => {
            "The server's certificate is not from an authority that weir trusts: name that authority's in \
             clickhouse.tls.ca_file"
        }
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => "The server's certificate is for another name: use one of its names in clickhouse.url",
        rustls::Error::InvalidCertificate(
            Certificate::Expired
            | Certificate::ExpiredContext { .. }
            | Certificate::NotValidYet
            | Certificate::NotValidYetContext { .. },
        ) => "The server's certificate is not valid at this time: renew it, or set this machine's clock",
        rustls::Error::InvalidMessage(_) => {
            "The port does not speak TLS: give clickhouse.url the port for HTTPS (8443), or http://"
        }
        rustls::Error::AlertReceived(_) => {
            "The server refuses weir in the handshake: it may want a certificate (clickhouse.tls.cert_file and \
             key_file) from an authority that it trusts"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pem_is_refused_by_its_key() {
        let tls = |ca: Option<&str>, identity: Option<(&str, &str)>| Tls {
            ca: ca.map(str::to_owned),
            identity: identity.map(|(certificate, key)| (certificate.to_owned(), key.to_owned())),
        };
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let table = [
            (tls(Some("nothing"), None), "clickhouse.tls.ca_file holds no certificate in PEM"),
            (tls(Some(broken), None), "clickhouse.tls.ca_file holds what is no authority's certificate"),
            (tls(None, Some(("", "x"))), "clickhouse.tls.cert_file holds no certificate in PEM"),
            (tls(None, Some((broken, "the key"))), "clickhouse.tls.key_file holds no private key in PEM"),
        ];
        for (tls, expected) in table {
            let error = configuration(&tls).expect_err("it is refused").to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn an_error_deep_in_others_gives_its_remedy() {
        let handshake = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, handshake));
        assert!(remedy(&wrapped).is_some_and(|text| text.contains("clickhouse.tls.ca_file")));
        assert_eq!(remedy(&io::Error::other("refused")), None);
    }
}
