//! Pushing metrics and traces to an OpenTelemetry collector: OTLP over HTTP with protobuf bodies, and TLS.
//!
//! It never holds up a loop: spans go into a bounded queue that drops when it is full, both signals are sent by the
//! SDK's own threads, and the requests are made by one thread with a runtime. What fails is counted and said once a
//! minute. Nothing is repeated or stored for a collector that is away: metrics are sums, and the next export holds them
//! all; spans of that time are lost.

use super::Error;
use super::fold::Fold;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one export may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The exporters of both signals.
pub struct Push {
    pub metrics: MetricExporter,
    pub spans: SpanExporter,
}

/// Connects to nothing yet: a collector that is away is no error.
pub fn open(url: &str) -> Result<Push, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Otlp { url: url.to_owned(), reason: error.to_string() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    let client = Client {
        runtime: runtime.handle().clone(),
        inner: HyperClient::new(connector(url).map_err(|error| failed(&error))?, EXPORT_TIMEOUT, None),
        failures: Arc::default(),
        url: url.to_owned(),
    };
    // It drives requests as long as the process lives; dropping the runtime earlier would lose the last of them.
    std::thread::Builder::new()
        .name("weir-otlp".into())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .map_err(|error| failed(&error))?;
    let base = url.trim_end_matches('/');
    // The next export comes by itself; to repeat one would only hold up the end of the process.
    let retries = RetryPolicy::disabled();
    let metrics = MetricExporter::builder()
        .with_http()
        .with_retry_policy(retries.clone())
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{base}/v1/metrics"))
        .with_timeout(EXPORT_TIMEOUT)
        .with_http_client(client.clone())
        .build()
        .map_err(|error| failed(&error))?;
    let spans = SpanExporter::builder()
        .with_http()
        .with_retry_policy(retries)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{base}/v1/traces"))
        .with_timeout(EXPORT_TIMEOUT)
        .with_http_client(client)
        .build()
        .map_err(|error| failed(&error))?;
    Ok(Push { metrics, spans })
}

type Connector = HttpsConnector<HttpConnector>;

/// Plain or TLS with the system's certificates (`SSL_CERT_FILE` names others), as the URL says.
fn connector(url: &str) -> Result<Connector, Box<dyn std::error::Error + Send + Sync>> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(EXPORT_TIMEOUT));
    let mut roots = rustls::RootCertStore::empty();
    if url.starts_with("https://") {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err("this system has no root certificates: name a file of them in SSL_CERT_FILE".into());
        }
    }
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(http))
}

/// Carries requests of the SDK's threads, which have no runtime, over to the thread that has one.
#[derive(Clone, Debug)]
struct Client {
    runtime: tokio::runtime::Handle,
    inner: HyperClient<Connector>,
    failures: Arc<Mutex<Fold>>,
    url: String,
}

impl HttpClient for Client {
    // As the crate's trait has it once its attribute is expanded.
    fn send_bytes<'life, 'future>(
        &'life self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'future>>
    where
        'life: 'future,
        Self: 'future,
    {
        let client = self.inner.clone();
        let sent = self.runtime.spawn(async move { client.send_bytes(request).await });
        Box::pin(async move {
            let outcome = sent.await.unwrap_or_else(|error| Err(error.into()));
            match &outcome {
                Ok(response) if response.status().is_success() => {}
                Ok(response) => self.say(&format!("it answers {}", response.status())),
                Err(error) => self.say(&causes(&**error)),
            }
            outcome
        })
    }
}

impl Client {
    fn say(&self, reason: &str) {
        let held = self.failures.lock().unwrap_or_else(PoisonError::into_inner).admit(Instant::now());
        if let Some(held) = held {
            let url = &self.url;
            tracing::warn!(
                url,
                reason,
                failed_before = held,
                "telemetry.otlp: the collector takes nothing; weir goes on"
            );
        }
    }
}

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
