//! Encodes ways for a collector, as OpenTelemetry's own messages in Protobuf.
//!
//! A batch's id is its trace's id. So a trace is found by the id in the log and in `explain`, and
//! all couriers that have worked on a batch report it in one place.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, SpanFlags, Status};
use prost::Message;
use prost::bytes::Bytes;
use tokio::time::Instant;
use uuid::Uuid;

use super::way::{HeldBy, Kind, Step, Way};
use crate::batch::BatchId;

/// Bit 0 of W3C's flags: this trace is sampled.
const SAMPLED: u32 = 1;

/// The host's time at some instant. Only collectors use it, to put spans in order; the length of a
/// span comes from instants alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostTime {
    pub(super) at: Instant,
    pub(super) unix_nanos: u64,
}

impl HostTime {
    fn of(self, instant: Instant) -> u64 {
        let ago = self.at.saturating_duration_since(instant);
        self.unix_nanos
            .saturating_sub(u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// Encodes the ways as one request of the instance.
pub(super) fn encode(instance: Uuid, ways: &[Way], time: HostTime) -> Bytes {
    let resource = Resource {
        attributes: vec![
            text("service.name", env!("CARGO_PKG_NAME")),
            text("service.version", env!("CARGO_PKG_VERSION")),
            text("service.instance.id", &instance.to_string()),
        ],
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "contact_courier::traces".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        ..InstrumentationScope::default()
    };
    let spans = ways.iter().flat_map(|way| spans(way, time)).collect();
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope),
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    request.encode_to_vec().into()
}

fn spans(way: &Way, time: HostTime) -> Vec<Span> {
    let root = root(way, time);
    let steps = way.steps.iter().map(|step| Span {
        trace_id: root.trace_id.clone(),
        parent_span_id: root.span_id.clone(),
        ..child(step, time)
    });
    let mut spans: Vec<Span> = steps.collect();
    spans.push(root);
    spans
}

fn root(way: &Way, time: HostTime) -> Span {
    let mut attributes = vec![
        text("batch.id", &way.batch.to_string()),
        text("batch.user_id", way.lane.user_id()),
        text("batch.task_id", way.lane.task_id()),
        whole("batch.contacts", way.contacts as u64),
        whole("batch.contacts_failed", way.failed as u64),
        whole("batch.attempts", way.attempts.into()),
        text("batch.outcome", way.outcome),
        switch("batch.adopted", way.adopted),
    ];
    let mut links = Vec::new();
    if let Some(parent) = way.parent {
        attributes.push(text("batch.parent", &parent.to_string()));
        links.push(Link {
            trace_id: trace_id(parent),
            span_id: first_span(parent),
            flags: SAMPLED,
            ..Link::default()
        });
    }
    // Another owner of a batch begins another root: the first may never have been sent.
    let span_id = if way.adopted {
        any_span()
    } else {
        first_span(way.batch)
    };
    Span {
        trace_id: trace_id(way.batch),
        span_id,
        name: "batch".into(),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: time.of(way.began),
        end_time_unix_nano: time.of(way.ended),
        flags: flags(),
        status: status(way.error.as_ref()),
        attributes,
        links,
        ..Span::default()
    }
}

fn child(step: &Step, time: HostTime) -> Span {
    let (name, attributes) = match &step.kind {
        Kind::Compose => ("compose", Vec::new()),
        Kind::Settle => ("settle", Vec::new()),
        Kind::Wait(waited) => {
            let whole_wait = step.ended.saturating_duration_since(step.began);
            let mut attributes = vec![text("wait.reason", waited.reason(whole_wait))];
            for (hold, took) in HeldBy::ALL.iter().zip(waited.held) {
                if !took.is_zero() {
                    let key = format!("wait.{}_seconds", hold.as_str());
                    attributes.push(pair(&key, Value::DoubleValue(took.as_secs_f64())));
                }
            }
            ("wait", attributes)
        }
        Kind::Send(sent) => {
            let mut attributes = vec![
                whole("send.attempt", sent.attempt.into()),
                text("send.outcome", sent.outcome.unwrap_or("unanswered")),
            ];
            if let Some(http) = sent.http {
                attributes.push(whole("http.response.status_code", http.into()));
            }
            ("send", attributes)
        }
    };
    let kind = match step.kind {
        Kind::Send(_) => SpanKind::Client,
        _ => SpanKind::Internal,
    };
    Span {
        span_id: any_span(),
        name: name.into(),
        kind: kind.into(),
        start_time_unix_nano: time.of(step.began),
        end_time_unix_nano: time.of(step.ended),
        flags: flags(),
        status: status(step.error.as_ref()),
        attributes,
        ..Span::default()
    }
}

fn trace_id(batch: BatchId) -> Vec<u8> {
    batch.0.as_bytes().to_vec()
}

/// Returns the id of the root of a batch's first way. It follows from the batch's id, for links to
/// it.
fn first_span(batch: BatchId) -> Vec<u8> {
    batch.0.as_bytes()[8..].to_vec()
}

fn any_span() -> Vec<u8> {
    // Only zero is not a valid id.
    rand::random_range(1..=u64::MAX).to_be_bytes().to_vec()
}

/// No span of ours has a parent in another process.
fn flags() -> u32 {
    SAMPLED | SpanFlags::ContextHasIsRemoteMask as u32
}

fn status(error: Option<&String>) -> Option<Status> {
    error.map(|error| Status {
        message: error.clone(),
        code: StatusCode::Error.into(),
    })
}

fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Value::StringValue(value.into()))
}

fn whole(key: &str, value: u64) -> KeyValue {
    pair(
        key,
        Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)),
    )
}

fn switch(key: &str, value: bool) -> KeyValue {
    pair(key, Value::BoolValue(value))
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
