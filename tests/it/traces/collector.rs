//! A collector of traces: it takes the reports that come over HTTP, or does not.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

/// The collector's way of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// 200.
    Takes,
    /// With this status.
    Refuses(u16),
    /// No answer.
    Hangs,
}

/// The reports that it has received, however it answered.
struct Heard {
    mood: Mood,
    requests: Vec<Bytes>,
    taken: Vec<ExportTraceServiceRequest>,
}

/// A collector; it is gone when this is dropped.
pub(super) struct Collector {
    address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    server: JoinHandle<()>,
}

impl Collector {
    pub(super) fn start(mood: Mood) -> Self {
        Self::start_on(Self::away(), mood)
    }

    /// Starts it where nobody has listened so far.
    pub(super) fn start_on(socket: TcpSocket, mood: Mood) -> Self {
        let heard = Arc::new(Mutex::new(Heard {
            mood,
            requests: Vec::new(),
            taken: Vec::new(),
        }));
        let listener = socket.listen(128).expect("listens");
        let address = listener.local_addr().expect("its address");
        let routes = Router::new()
            .route("/v1/traces", post(hear))
            .with_state(Arc::clone(&heard));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            address,
            heard,
            server,
        }
    }

    /// A port where nobody listens, which nobody else can take either.
    pub(super) fn away() -> TcpSocket {
        let socket = TcpSocket::new_v4().expect("a socket");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(any).expect("a port");
        socket
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes its answers from now on.
    pub(super) fn becomes(&self, mood: Mood) {
        self.heard.lock().unwrap().mood = mood;
    }

    /// Returns how many reports it has received.
    pub(super) fn requests(&self) -> usize {
        self.heard.lock().unwrap().requests.len()
    }

    /// Returns all bytes that it has received.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.heard.lock().unwrap().requests.concat()
    }

    /// Returns the attributes of the first reporter.
    pub(super) fn resource(&self) -> BTreeMap<String, String> {
        let heard = self.heard.lock().unwrap();
        let told = &heard.taken[0].resource_spans[0];
        attributes(&told.resource.as_ref().unwrap().attributes)
    }

    /// Returns the traced batches in the order of their beginning, each with its steps in their
    /// order.
    pub(super) fn batches(&self) -> Vec<Told> {
        let heard = self.heard.lock().unwrap();
        let mut spans: Vec<Span> = heard
            .taken
            .iter()
            .flat_map(|request| &request.resource_spans)
            .flat_map(|told| &told.scope_spans)
            .flat_map(|told| told.spans.clone())
            .collect();
        spans.sort_by_key(|span| (span.start_time_unix_nano, span.end_time_unix_nano));
        let (roots, steps): (Vec<Span>, Vec<Span>) = spans
            .into_iter()
            .partition(|span| span.parent_span_id.is_empty());
        let told = |root: Span| Told {
            steps: steps
                .iter()
                .filter(|step| step.parent_span_id == root.span_id)
                .filter(|step| step.trace_id == root.trace_id)
                .cloned()
                .collect(),
            root,
        };
        let told: Vec<Told> = roots.into_iter().map(told).collect();
        let known: usize = told.iter().map(|told| told.steps.len()).sum();
        assert_eq!(known, steps.len(), "a step belongs to no batch");
        told.iter().for_each(Told::is_whole);
        told
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn hear(
    State(heard): State<Arc<Mutex<Heard>>>,
    headers: HeaderMap,
    request: Bytes,
) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let mood = {
        let mut heard = heard.lock().unwrap();
        heard.requests.push(request.clone());
        if heard.mood == Mood::Takes {
            let told = ExportTraceServiceRequest::decode(request).expect("OTLP");
            heard.taken.push(told);
        }
        heard.mood
    };
    match mood {
        Mood::Takes => StatusCode::OK,
        Mood::Refuses(status) => StatusCode::from_u16(status).unwrap(),
        Mood::Hangs => std::future::pending().await,
    }
}

/// The page that documents spans and attributes.
const PAGE: &str = include_str!("../../../docs/monitoring.md");

/// A batch in the reports.
pub(super) struct Told {
    pub(super) root: Span,
    pub(super) steps: Vec<Span>,
}

impl Told {
    /// Checks that one step follows the other without a gap, from the batch's beginning to its end,
    /// and that the page documents everything.
    fn is_whole(&self) {
        for span in self.steps.iter().chain([&self.root]) {
            let keys = span.attributes.iter().map(|pair| pair.key.as_str());
            for name in keys.chain([span.name.as_str()]) {
                assert!(PAGE.contains(&format!("`{name}`")), "{name}");
            }
        }
        assert_eq!(self.root.name, "batch");
        assert_eq!(self.root.kind(), SpanKind::Internal);
        let mut at = self.root.start_time_unix_nano;
        for step in &self.steps {
            assert_eq!(step.start_time_unix_nano, at, "{:?}", self.steps);
            assert!(step.end_time_unix_nano >= at);
            at = step.end_time_unix_nano;
            let outside = step.name == "send";
            assert_eq!(step.kind() == SpanKind::Client, outside);
        }
        assert_eq!(self.root.end_time_unix_nano, at);
    }

    /// The names of its steps.
    pub(super) fn names(&self) -> Vec<&str> {
        self.steps.iter().map(|step| step.name.as_str()).collect()
    }

    /// Its trace's id, written like a batch's id.
    pub(super) fn id(&self) -> String {
        let id = self.root.trace_id.as_slice().try_into();
        uuid::Uuid::from_bytes(id.expect("16 bytes")).to_string()
    }

    pub(super) fn says(&self, key: &str) -> String {
        says(&self.root, key)
    }
}

/// An attribute, as text; empty if it is not there.
pub(super) fn says(span: &Span, key: &str) -> String {
    attributes(&span.attributes).remove(key).unwrap_or_default()
}

/// The words of a failure.
pub(super) fn failure(span: &Span) -> Option<&str> {
    let status = span.status.as_ref()?;
    assert_eq!(status.code(), SpanStatus::Error);
    assert!(!status.message.is_empty());
    Some(&status.message)
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(whole) => Some(whole.to_string()),
        Value::BoolValue(switch) => Some(switch.to_string()),
        Value::DoubleValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    };
    let told: BTreeMap<String, String> = pairs
        .iter()
        .map(|pair| (pair.key.clone(), text(pair).expect("a value")))
        .collect();
    assert_eq!(told.len(), pairs.len(), "a key is there twice");
    told
}
