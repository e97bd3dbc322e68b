//! Messages between our form and librdkafka's.

use barid_record::Topic;
use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Header, Headers, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord};

use super::client::Context;
use super::sync::now_ms;
use crate::api::{Message, Outgoing};

/// Carries a timestamp that Kafka would not: it takes none below 1, and refuses those of clocks that are ahead.
const TIMESTAMP: &str = "barid_timestamp_ms";
/// A clock may be ahead by this much.
const AHEAD_MS: i64 = 5 * 60 * 1000;

/// Copies a fetched message: one allocation holds all of its bytes.
pub(crate) fn received(message: &BorrowedMessage<'_>, topic: Topic) -> Message {
    let key = message.key().unwrap_or_default();
    let value = message.payload().unwrap_or_default();
    let headers = message.headers();
    let headers_len: usize = headers.map_or(0, |headers| {
        headers.iter().map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len)).sum()
    });
    let mut all = Vec::with_capacity(key.len() + value.len() + headers_len);
    all.extend_from_slice(key);
    all.extend_from_slice(value);
    for header in headers.iter().flat_map(|headers| headers.iter()) {
        all.extend_from_slice(header.key.as_bytes());
        all.extend_from_slice(header.value.unwrap_or_default());
    }
    let all = Bytes::from(all);
    let mut at = 0;
    let mut next = |len: usize| {
        at += len;
        all.slice(at - len..at)
    };
    let (key, value) = (next(key.len()), next(value.len()));
    let mut timestamp_ms = message.timestamp().to_millis().unwrap_or(0);
    let mut list = Vec::with_capacity(headers.map_or(0, Headers::count));
    for header in headers.iter().flat_map(|headers| headers.iter()) {
        let pair = (next(header.key.len()), next(header.value.map_or(0, <[u8]>::len)));
        if header.key == TIMESTAMP {
            timestamp_ms =
                header.value.and_then(|bytes| bytes.try_into().ok()).map_or(timestamp_ms, i64::from_be_bytes);
        } else {
            list.push(pair);
        }
    }
    Message {
        topic,
        partition: message.partition().cast_unsigned(),
        offset: message.offset().cast_unsigned(),
        timestamp_ms,
        key,
        headers: list,
        value,
    }
}

/// Hands a message to a producer; false when its queue is full just now.
pub(crate) fn send(
    producer: &BaseProducer<Context>,
    topic: &str,
    message: &Outgoing,
) -> Result<bool, rdkafka::error::KafkaError> {
    let is_sound = message.timestamp_ms > 0 && message.timestamp_ms <= now_ms() + AHEAD_MS;
    let timestamp_ms = if is_sound { message.timestamp_ms } else { now_ms() };
    let mut headers = OwnedHeaders::new_with_capacity(message.headers.len() + 1);
    for (name, value) in &message.headers {
        headers = headers.insert(Header { key: &String::from_utf8_lossy(name), value: Some(value.as_ref()) });
    }
    if !is_sound {
        let exact = message.timestamp_ms.to_be_bytes();
        headers = headers.insert(Header { key: TIMESTAMP, value: Some(&exact) });
    }
    let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, 0)
        .payload(&message.value)
        .timestamp(timestamp_ms)
        .headers(headers);
    if !message.key.is_empty() {
        record = record.key(&message.key);
    }
    accepted(producer.send(record).map_err(|(error, _)| error))
}

/// Hands a change of state to a producer, `changelog` being its number in [`super::client::Events::delivered`].
pub(crate) fn send_change(
    producer: &BaseProducer<Context>,
    (topic, shard): (&str, u32),
    key: &[u8],
    value: Option<&[u8]>,
    changelog: usize,
) -> Result<bool, rdkafka::error::KafkaError> {
    let record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, changelog);
    let mut record = record.partition(shard.cast_signed()).key(key);
    if let Some(value) = value {
        record = record.payload(value);
    }
    accepted(producer.send(record).map_err(|(error, _)| error))
}

fn accepted(sent: Result<(), rdkafka::error::KafkaError>) -> Result<bool, rdkafka::error::KafkaError> {
    match sent {
        Ok(()) => Ok(true),
        Err(rdkafka::error::KafkaError::MessageProduction(rdkafka::error::RDKafkaErrorCode::QueueFull)) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
