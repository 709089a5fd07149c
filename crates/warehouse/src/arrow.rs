//! Turns rows into an Arrow stream. Of slots and of what is known about a row's origin, only the
//! columns that some row fills are sent: the others take their defaults at no cost, which is why a
//! column format is used at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, StringBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, RecordBatch, TimestampMillisecondArray, UInt32Array, UInt64Array,
};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Field, Schema};
use bytes::Bytes;
use suanpan_event::{Slot, SlotFamily};
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use crate::error::{Result, WarehouseError};
use crate::rows::{BatchId, EventRow, SlotValue};

/// Bytes of the text of one batch. Arrow's text columns have 32-bit offsets.
const BATCH_BYTES_MAX: usize = 256 * 1024 * 1024;
/// What a stream has beside its columns: names, types, places.
const FRAME_BYTES: usize = 64 * 1024;
const DAY_MS: i64 = 86_400_000;

/// A batch ready to be sent.
pub(crate) struct Encoded {
    pub columns: Vec<String>,
    pub body: Bytes,
}

/// Encodes a batch as one Arrow record batch.
pub(crate) fn encode(batch: BatchId, rows: &[EventRow<'_>]) -> Result<Encoded> {
    check_size(rows)?;
    let mut columns = fixed_columns(batch, rows);
    columns.extend(origin_columns(rows));
    columns.extend(slot_columns(rows)?);
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(name, array.data_type().clone(), true)).collect();
    let (names, arrays): (Vec<String>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let body = stream(Schema::new(fields), arrays)
        .map_err(|error| WarehouseError::BatchInvalid { message: error.to_string() })?;
    Ok(Encoded { columns: names, body })
}

fn stream(schema: Schema, arrays: Vec<ArrayRef>) -> std::result::Result<Bytes, ArrowError> {
    let bytes: usize = arrays.iter().map(|array| array.get_buffer_memory_size()).sum();
    let record_batch = RecordBatch::try_new(Arc::new(schema), arrays)?;
    let mut writer = StreamWriter::try_new(Vec::with_capacity(bytes + FRAME_BYTES), &record_batch.schema())?;
    writer.write(&record_batch)?;
    Ok(writer.into_inner()?.into())
}

fn check_size(rows: &[EventRow<'_>]) -> Result<()> {
    let bytes: usize = rows.iter().map(|row| row.content.len() + 512).sum();
    if bytes > BATCH_BYTES_MAX {
        let message = format!("{bytes} bytes are more than {BATCH_BYTES_MAX}");
        return Err(WarehouseError::BatchInvalid { message });
    }
    Ok(())
}

fn fixed_columns(batch: BatchId, rows: &[EventRow<'_>]) -> Vec<(String, ArrayRef)> {
    let times = |values: TimestampMillisecondArray| -> ArrayRef { Arc::new(values.with_timezone("UTC")) };
    let dates = rows.iter().map(|row| {
        i32::try_from(row.event_time_ms.div_euclid(DAY_MS)).expect("event times are between 1970 and 2149")
    });
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("app_id", texts(rows.iter().map(|row| row.app_id.as_str()))),
        ("event", texts(rows.iter().map(|row| row.event.as_ref()))),
        ("event_time", times(rows.iter().map(|row| Some(row.event_time_ms)).collect())),
        ("report_date", Arc::new(Date32Array::from_iter_values(dates))),
        ("received_time", times(rows.iter().map(|row| Some(row.received_time_ms)).collect())),
        ("client_time", times(rows.iter().map(|row| row.client_time_ms).collect())),
        ("event_id", ids(rows.iter().map(|row| row.event_id))),
        ("actor_id", texts(rows.iter().map(|row| row.actor_id.as_ref()))),
        ("user_id", texts(rows.iter().map(|row| row.user_id.as_ref()))),
        ("device_id", texts(rows.iter().map(|row| row.device_id.as_ref()))),
        ("session_id", texts(rows.iter().map(|row| row.session_id.as_ref()))),
        ("platform", texts(rows.iter().map(|row| row.platform.as_ref()))),
        ("app_version", texts(rows.iter().map(|row| row.app_version.as_ref()))),
        ("library", texts(rows.iter().map(|row| row.library.as_ref()))),
        ("content", texts(rows.iter().map(|row| row.content.as_ref()))),
        ("slot_map", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.slot_map)))),
        ("log_epoch", Arc::new(UInt64Array::from(vec![batch.epoch; rows.len()]))),
        ("log_partition", Arc::new(UInt32Array::from(vec![batch.partition; rows.len()]))),
        ("writer", Arc::new(UInt64Array::from(vec![batch.writer; rows.len()]))),
        ("log_offset", Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.log_offset)))),
    ];
    columns.into_iter().map(|(name, array)| (name.to_owned(), array)).collect()
}

/// A column of texts, made in one piece: growing it would move all of it again and again.
fn texts<'a>(values: impl Iterator<Item = &'a str> + Clone) -> ArrayRef {
    let (rows, bytes) = values.clone().fold((0, 0), |(rows, bytes), text| (rows + 1, bytes + text.len()));
    let mut column = StringBuilder::with_capacity(rows, bytes);
    values.for_each(|text| column.append_value(text));
    Arc::new(column.finish())
}

/// Ids travel as text, which every server reads as a UUID.
fn ids(values: impl ExactSizeIterator<Item = Uuid>) -> ArrayRef {
    let mut column = StringBuilder::with_capacity(values.len(), values.len() * Hyphenated::LENGTH);
    let mut text = Uuid::encode_buffer();
    for id in values {
        column.append_value(id.hyphenated().encode_lower(&mut text));
    }
    Arc::new(column.finish())
}

/// Reads one text of a row.
type TextOf = for<'r> fn(&'r EventRow<'_>) -> &'r str;

/// The texts that most rows of most apps don't have.
const ORIGIN_TEXTS: [(&str, TextOf); 10] = [
    ("linked_id", |row| &row.linked_id),
    ("ip", |row| &row.origin.ip),
    ("country", |row| &row.origin.country),
    ("region", |row| &row.origin.region),
    ("city", |row| &row.origin.city),
    ("browser", |row| &row.origin.browser),
    ("browser_version", |row| &row.origin.browser_version),
    ("os", |row| &row.origin.os),
    ("os_version", |row| &row.origin.os_version),
    ("device_type", |row| &row.origin.device_type),
];

fn origin_columns(rows: &[EventRow<'_>]) -> Vec<(String, ArrayRef)> {
    let filled = ORIGIN_TEXTS.into_iter().filter(|(_, text)| rows.iter().any(|row| !text(row).is_empty()));
    let mut columns: Vec<(String, ArrayRef)> =
        filled.map(|(name, text)| (name.to_owned(), texts(rows.iter().map(text)))).collect();
    if rows.iter().any(|row| row.origin.is_bot) {
        let bots: BooleanArray = rows.iter().map(|row| Some(row.origin.is_bot)).collect();
        columns.push(("is_bot".to_owned(), Arc::new(bots)));
    }
    columns
}

/// A slot's column while it grows. Rows without a value are filled when the next value comes.
enum SlotColumn {
    Text(StringBuilder),
    Number(Float64Builder),
}

impl SlotColumn {
    fn new(family: SlotFamily) -> Self {
        match family {
            SlotFamily::Category | SlotFamily::Text => Self::Text(StringBuilder::new()),
            SlotFamily::Number => Self::Number(Float64Builder::new()),
        }
    }

    /// Grows to `length` by defaults: the empty text, no number.
    fn pad(&mut self, length: usize) {
        use arrow_array::builder::ArrayBuilder;
        match self {
            Self::Text(builder) => (builder.len()..length).for_each(|_| builder.append_value("")),
            Self::Number(builder) => builder.append_nulls(length - builder.len()),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Number(mut builder) => Arc::new(builder.finish()),
        }
    }
}

fn slot_columns(rows: &[EventRow<'_>]) -> Result<Vec<(String, ArrayRef)>> {
    let mut columns: BTreeMap<Slot, SlotColumn> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        for (slot, value) in &row.slots {
            let column = columns.entry(*slot).or_insert_with(|| SlotColumn::new(slot.family()));
            let held = match column {
                SlotColumn::Text(builder) => arrow_array::builder::ArrayBuilder::len(builder),
                SlotColumn::Number(builder) => arrow_array::builder::ArrayBuilder::len(builder),
            };
            if held > index {
                return Err(WarehouseError::BatchInvalid {
                    message: format!("{slot} is filled twice in a row"),
                });
            }
            column.pad(index);
            match (column, value) {
                (SlotColumn::Text(builder), SlotValue::Text(text)) => builder.append_value(text),
                (SlotColumn::Number(builder), SlotValue::Number(number)) => builder.append_value(*number),
                _ => {
                    return Err(WarehouseError::BatchInvalid {
                        message: format!("{slot} has a value of the wrong type"),
                    });
                }
            }
        }
    }
    Ok(columns
        .into_iter()
        .map(|(slot, mut column)| {
            column.pad(rows.len());
            (slot.to_string(), column.finish())
        })
        .collect())
}
