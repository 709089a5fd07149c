//! Asks brokers for a topic's id, which the wrapper of librdkafka has no call for.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::bindings as c;
use rdkafka::client::Client;
use rdkafka::types::RDKafkaRespErr;

use super::quiet::unavailable;
use crate::LogError;

/// What brokers say of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Topic {
    /// Made anew when a topic is made anew.
    pub id: u128,
    /// How many partitions it has.
    pub partitions: u32,
}

/// Describes the topic; `None` if there is none. Blocks, at most about `limit`.
pub(super) fn describe<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    limit: Duration,
) -> Result<Option<Topic>, LogError> {
    let name = CString::new(topic).map_err(unavailable)?;
    let limit_ms = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    let rk = client.native_ptr();
    // SAFETY: `rk` lives as long as `client`, which is borrowed. What is made here is owned, and destroyed in
    // the opposite order: the event before the queue. The names are copied by the library. Results are borrowed
    // from the event, and read before it ends.
    unsafe {
        let queue = Owned::new(c::rd_kafka_queue_new(rk), c::rd_kafka_queue_destroy)?;
        let api = c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = Owned::new(c::rd_kafka_AdminOptions_new(rk, api), c::rd_kafka_AdminOptions_destroy)?;
        let mut reason = [0; 256];
        c::rd_kafka_AdminOptions_set_request_timeout(
            options.get(),
            limit_ms,
            reason.as_mut_ptr(),
            reason.len(),
        );
        let mut names = [name.as_ptr()];
        let topics = Owned::new(
            c::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len()),
            c::rd_kafka_TopicCollection_destroy,
        )?;
        c::rd_kafka_DescribeTopics(rk, topics.get(), options.get(), queue.get());
        // The request ends at its own limit; a moment more, so that its result is seen.
        let event = c::rd_kafka_queue_poll(queue.get(), limit_ms.saturating_add(1_000));
        let event = Owned::new(event, c::rd_kafka_event_destroy)?;
        read(event.get())
    }
}

/// SAFETY: the event must be alive.
unsafe fn read(event: *mut c::rd_kafka_event_t) -> Result<Option<Topic>, LogError> {
    // SAFETY: all pointers come from the library, belong to the event, and are checked before they are read.
    unsafe {
        if c::rd_kafka_event_error(event) != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(unavailable(text(c::rd_kafka_event_error_string(event))));
        }
        let result = c::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err(unavailable("the brokers' answer is not about topics"));
        }
        let mut count = 0;
        let topics = c::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        if topics.is_null() || count == 0 {
            return Ok(None);
        }
        let topic = *topics;
        let error = c::rd_kafka_TopicDescription_error(topic);
        match c::rd_kafka_error_code(error) {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => return Ok(None),
            _ => return Err(unavailable(text(c::rd_kafka_error_string(error)))),
        }
        let id = c::rd_kafka_TopicDescription_topic_id(topic);
        if id.is_null() {
            return Err(unavailable("the brokers are older than 2.8: they give topics no ids"));
        }
        let high = c::rd_kafka_Uuid_most_significant_bits(id);
        let low = c::rd_kafka_Uuid_least_significant_bits(id);
        let mut partitions = 0;
        c::rd_kafka_TopicDescription_partitions(topic, &mut partitions);
        let id = u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned());
        Ok(Some(Topic { id, partitions: u32::try_from(partitions).unwrap_or(u32::MAX) }))
    }
}

/// SAFETY: null, or a text that ends.
unsafe fn text(text: *const std::ffi::c_char) -> String {
    if text.is_null() {
        return "no reason given".to_owned();
    }
    // SAFETY: it is not null, and the library's texts end with a zero.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Something of the library's that is destroyed when this is dropped.
struct Owned<T> {
    thing: NonNull<T>,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    fn new(thing: *mut T, destroy: unsafe extern "C" fn(*mut T)) -> Result<Self, LogError> {
        match NonNull::new(thing) {
            Some(thing) => Ok(Self { thing, destroy }),
            None => Err(unavailable("no answer in time")),
        }
    }

    fn get(&self) -> *mut T {
        self.thing.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: it came from the library, is not null, and is destroyed once.
        unsafe { (self.destroy)(self.thing.as_ptr()) }
    }
}
