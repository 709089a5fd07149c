use std::ops::Range;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::bounds::number;
use super::quiet::unavailable;
use crate::LogError;

/// What the group keeps of a partition, as one commit: where the next batch begins, and where it ends once that
/// is decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The first offset that is not committed.
    pub next: u64,
    /// The end of the batch that begins there.
    pub decided_end: Option<u64>,
}

const DECIDED: &str = "decided to ";

impl Position {
    /// The decided batch.
    pub fn decided(&self) -> Option<Range<u64>> {
        self.decided_end.map(|end| self.next..end)
    }

    fn metadata(&self) -> String {
        self.decided_end.map_or_else(String::new, |end| format!("{DECIDED}{end}"))
    }

    fn read(next: u64, metadata: &str) -> Self {
        let end = metadata.strip_prefix(DECIDED).and_then(|end| end.parse().ok());
        Self { next, decided_end: end.filter(|end| next < *end) }
    }
}

/// Why a commit was not taken.
pub(super) enum CommitError {
    /// The group does not know this member, or not any more, or not yet again.
    NotMember(String),
    /// The brokers can't be reached.
    Away(LogError),
}

/// What the group has committed, in the order given; partitions without a commit begin at 0. Blocks, at most
/// about `limit`.
pub(super) fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[u32],
    limit: Duration,
) -> Result<Vec<Position>, LogError> {
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        asked.add_partition(topic, number(*partition)?);
    }
    let found = consumer.committed_offsets(asked, limit).map_err(unavailable)?;
    partitions
        .iter()
        .map(|partition| {
            let of = found.find_partition(topic, number(*partition)?);
            let of = of.ok_or_else(|| unavailable("the brokers left a partition out"))?;
            of.error().map_err(unavailable)?;
            Ok(match of.offset() {
                Offset::Offset(next) => {
                    Position::read(u64::try_from(next).map_err(unavailable)?, of.metadata())
                }
                _ => Position::default(),
            })
        })
        .collect()
}

/// Commits for the member that this consumer is, which the group refuses if it was replaced. Blocks until the
/// coordinator answers; the library gives up after the session's time.
pub(super) fn commit<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: u32,
    position: Position,
) -> Result<(), CommitError> {
    let mut offsets = TopicPartitionList::with_capacity(1);
    let place = number(partition).map_err(CommitError::Away)?;
    let next = i64::try_from(position.next).map_err(|error| CommitError::Away(unavailable(error)))?;
    let mut of = offsets.add_partition(topic, place);
    of.set_offset(Offset::Offset(next)).map_err(|error| CommitError::Away(unavailable(error)))?;
    of.set_metadata(position.metadata());
    match consumer.commit(&offsets, CommitMode::Sync) {
        Ok(()) => Ok(()),
        Err(KafkaError::ConsumerCommit(code)) if not_member(code) => {
            Err(CommitError::NotMember(code.to_string()))
        }
        Err(error) => Err(CommitError::Away(unavailable(error))),
    }
}

fn not_member(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::RebalanceInProgress
            | RDKafkaErrorCode::FencedInstanceId
            | RDKafkaErrorCode::AssignmentLost
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(position: Position) {
        assert_eq!(Position::read(position.next, &position.metadata()), position);
    }

    #[test]
    fn a_position_comes_back_as_it_was_committed() {
        check(Position { next: 7, decided_end: None });
        check(Position { next: 7, decided_end: Some(u64::MAX) });
    }

    #[test]
    fn what_others_left_there_decides_nothing() {
        for metadata in ["", "decided to ", "decided to x", "decided to 7", "8"] {
            assert_eq!(Position::read(7, metadata).decided(), None, "{metadata}");
        }
    }
}
