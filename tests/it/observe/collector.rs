//! A collector of OpenTelemetry's: takes what is posted, decodes it, and keeps it.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Default)]
pub struct Received {
    pub spans: Vec<Span>,
    /// Names of metrics.
    pub metrics: BTreeSet<String>,
    /// `service.instance.id` of whoever sent them.
    pub instances: BTreeSet<String>,
}

pub struct Collector {
    pub url: String,
    received: Arc<Mutex<Received>>,
}

impl Collector {
    /// Listens as long as the test process lives.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let received = Arc::new(Mutex::new(Received::default()));
        let shared = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Collector { url, received }
    }

    pub fn look<T>(&self, look: impl FnOnce(&Received) -> T) -> T {
        look(&self.received.lock().expect("holders of the lock do not panic"))
    }
}

/// Answers request after request of one connection.
fn serve(stream: TcpStream, received: &Mutex<Received>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be shared"));
    let mut stream = stream;
    loop {
        let (mut path, mut length, mut line) = (String::new(), 0, String::new());
        while reader.read_line(&mut line).unwrap_or(0) > 0 && line.trim() != "" {
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length is a number");
            } else if let Some(rest) = line.strip_prefix("POST ") {
                path = rest.split(' ').next().unwrap_or_default().to_owned();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        if path.is_empty() || reader.read_exact(&mut body).is_err() {
            return;
        }
        take(&path, &body, received);
        let _ =
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n");
    }
}

fn take(path: &str, body: &[u8], received: &Mutex<Received>) {
    let mut received = received.lock().expect("holders of the lock do not panic");
    match path {
        "/v1/traces" => {
            let request = ExportTraceServiceRequest::decode(body).expect("a request for traces");
            let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            received.spans.extend(scopes.flat_map(|scope| scope.spans));
        }
        "/v1/metrics" => {
            for resource in ExportMetricsServiceRequest::decode(body).expect("a request for metrics").resource_metrics {
                let attributes = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
                received.instances.extend(attribute(&attributes, "service.instance.id"));
                let metrics = resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
                received.metrics.extend(metrics.map(|metric| metric.name));
            }
        }
        other => panic!("a request for {other}"),
    }
}

/// The text of an attribute; numbers as text.
pub fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == name)?.value.as_ref()?.value.as_ref()?;
    match value {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}
