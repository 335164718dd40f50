//! The admin port: `/live`, `/ready` and `/metrics`, for an orchestrator and for Prometheus.
//!
//! It only reads what the loops say of themselves ([`health`]) and what was counted. Nothing that it serves names a
//! person, a principal or an application, or comes from content. It has a thread of its own, so that a busy loop
//! answers late to nobody and a slow reader holds up no loop; there is no way to change anything through it.

pub mod health;

use crate::telemetry::Telemetry;
use bytes::Bytes;
use health::Health;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, LocalSet};

/// Most connections at once; probes and scrapers need a handful. One more closes the oldest: a probe is answered within
/// milliseconds, and must not be turned away because others hold connections on which they say nothing.
const CONNECTIONS: usize = 64;

/// How long a request's header may take, and a connection may be open in all: nobody can hold one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(300);

/// Why the port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "telemetry.listen {listen}: the address is in use: another process listens there. Two instances on one machine \
         need different ports: set WEIR_LISTEN or telemetry.listen"
    )]
    InUse { listen: String },
    #[error("telemetry.listen {listen}: {reason}")]
    Other { listen: String, reason: String },
}

/// An open port, not served yet.
pub struct Admin {
    listener: TcpListener,
    pub address: SocketAddr,
}

impl Admin {
    /// Opens the port.
    pub fn bind(listen: &str) -> Result<Self, Error> {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AddrInUse => Error::InUse { listen: listen.to_owned() },
            _ => Error::Other { listen: listen.to_owned(), reason: error.to_string() },
        };
        let addresses: Vec<SocketAddr> = listen.to_socket_addrs().map_err(failed)?.collect();
        let listener = TcpListener::bind(&addresses[..]).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Admin { listener, address })
    }

    /// Serves it on a thread of its own for as long as the process lives.
    pub fn serve(self, health: Health, telemetry: Arc<Telemetry>) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(self.listener)?
        };
        std::thread::Builder::new().name("weir-admin".into()).spawn(move || {
            LocalSet::new().block_on(&runtime, accept(listener, Rc::new(Served { health, telemetry })));
        })?;
        Ok(())
    }
}

struct Served {
    health: Health,
    telemetry: Arc<Telemetry>,
}

async fn accept(listener: tokio::net::TcpListener, served: Rc<Served>) {
    let mut open: VecDeque<JoinHandle<()>> = VecDeque::with_capacity(CONNECTIONS);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, or a connection that was gone at once.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        open.retain(|connection| !connection.is_finished());
        if open.len() >= CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        let served = Rc::clone(&served);
        open.push_back(tokio::task::spawn_local(async move {
            let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(served.answer(&request))));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            let connection = http.serve_connection(TokioIo::new(stream), service);
            // A reader that went away, or one that stays too long: both are its own matter.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
        }));
    }
}

impl Served {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return respond(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET only\n".into());
        }
        match request.uri().path() {
            "/live" => {
                let loops = self.health.live(Instant::now());
                let is_live = loops.iter().all(|one| one.live);
                verdict(is_live, serde_json::json!({ "live": is_live, "loops": loops }))
            }
            "/ready" => {
                let loops = self.health.ready(Instant::now());
                let is_ready = !loops.is_empty() && loops.iter().all(|one| one.ready);
                verdict(is_ready, serde_json::json!({ "ready": is_ready, "loops": loops }))
            }
            "/metrics" => respond(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", self.telemetry.text()),
            _ => respond(StatusCode::NOT_FOUND, "text/plain", "/live /ready /metrics\n".into()),
        }
    }
}

fn verdict(is_good: bool, body: serde_json::Value) -> Response<Full<Bytes>> {
    let status = if is_good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    respond(status, "application/json", format!("{body}\n"))
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn it_says_what_the_loops_say() {
        let admin = Admin::bind("127.0.0.1:0").unwrap();
        let address = admin.address;
        let health = Health::default();
        let telemetry = crate::telemetry::start(&crate::telemetry::Config::default()).unwrap();
        admin.serve(health.clone(), Arc::new(telemetry)).unwrap();
        assert!(get(address, "/ready").starts_with("HTTP/1.1 503"), "no loop is no service");
        let pulse = health.join("detect", 0);
        assert!(get(address, "/ready").contains(r#"{"what":"start"}"#));
        assert!(get(address, "/live").starts_with("HTTP/1.1 200"));
        pulse.works(1);
        assert!(get(address, "/ready").starts_with("HTTP/1.1 200"));
        assert!(get(address, "/metrics").starts_with("HTTP/1.1 200"));
        assert!(get(address, "/other").starts_with("HTTP/1.1 404"));
    }

    /// Whoever holds connections on which nothing is asked keeps no probe out.
    #[test]
    fn silent_connections_starve_nobody() {
        let admin = Admin::bind("127.0.0.1:0").unwrap();
        let address = admin.address;
        let telemetry = crate::telemetry::start(&crate::telemetry::Config::default()).unwrap();
        admin.serve(Health::default(), Arc::new(telemetry)).unwrap();
        let silent = |_| {
            let mut stream = TcpStream::connect(address).unwrap();
            // It may be closed by now.
            let _ = stream.write_all(b"GET /");
            stream
        };
        let held: Vec<TcpStream> = (0..CONNECTIONS + 20).map(silent).collect();
        assert!(get(address, "/live").starts_with("HTTP/1.1 200"));
        drop(held);
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let first = Admin::bind("127.0.0.1:0").unwrap();
        let error = Admin::bind(&first.address.to_string()).err().unwrap().to_string();
        assert!(error.contains("in use") && error.contains("WEIR_LISTEN"), "{error}");
        let error = Admin::bind("host.invalid:1").err().unwrap().to_string();
        assert!(error.starts_with("telemetry.listen host.invalid:1: "), "{error}");
    }
}
