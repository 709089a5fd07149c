//! What every log promises, whichever it is: each behaviour is written once, for any [`fixture::Fixture`].

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

mod appending;
mod embedded;
mod fixture;
#[cfg(feature = "kafka")]
mod kafka;
mod model;
mod reading;

/// The tests of one log: its fixture, and how many random runs the model gets.
#[macro_export]
macro_rules! contract {
    ($fixture:ty, $cases:expr) => {
        $crate::contract!(@each $fixture, appending:
            keys_keep_their_partition_and_order,
            acknowledged_records_outlive_the_process,
            empty_batches_and_empty_records_are_fine,
            too_large_records_and_batches_are_refused,
            a_closed_log_takes_nothing_and_is_read_to_its_end,
            a_log_made_anew_has_another_epoch,
        );
        $crate::contract!(@each $fixture, reading:
            commits_and_decisions_outlive_the_process,
            commits_only_rise,
            a_reader_seeks,
            reading_is_bounded_and_waits,
            looking_disturbs_nobody,
            positions_tell_every_partition,
            what_is_dropped_is_given_again,
            what_is_forgotten_is_gone,
            a_closed_log_gives_no_partitions,
        );
        #[test]
        fn a_log_is_a_list_for_each_partition() {
            $crate::model::a_log_is_a_list_for_each_partition::<$fixture>($cases);
        }
    };
    (@each $fixture:ty, $module:ident: $($behaviour:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                $crate::$module::$behaviour::<$fixture>().await;
            }
        )*
    };
}
