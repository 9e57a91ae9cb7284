//! What [`Registry`](mobula_registry::Registry) promises, held against every backend.
//!
//! Each case is one function that knows nothing of the backend. etcd's cases start an etcd of their own.

mod cases;
#[cfg(feature = "etcd")]
mod etcd_only;
#[cfg(feature = "etcd")]
mod etcd_process;
mod file_only;
mod fixture;
mod watching;

macro_rules! conformance {
    ($($module:ident: $($case:ident)*;)*) => {
        mod memory {
            $($(
                #[tokio::test]
                async fn $case() {
                    crate::$module::$case(&crate::fixture::Fixture::memory()).await;
                }
            )*)*
        }

        mod file {
            $($(
                #[tokio::test]
                async fn $case() {
                    crate::$module::$case(&crate::fixture::Fixture::file()).await;
                }
            )*)*
        }

        #[cfg(feature = "etcd")]
        mod etcd {
            $($(
                #[tokio::test]
                async fn $case() {
                    crate::$module::$case(&crate::fixture::Fixture::etcd().await).await;
                }
            )*)*
        }
    };
}

conformance! {
    cases:
        conditions_are_compared_and_the_failed_one_is_named
        a_transaction_is_applied_whole_or_not_at_all
        two_writers_never_both_win
        a_counter_loses_no_increment
        revisions_tell_creation_from_change
        lists_come_in_pages
        a_prefix_is_deleted_and_nothing_beside_it
        limits_are_the_same_everywhere
        what_makes_no_sense_is_refused
        a_lost_lease_takes_its_keys_with_it
        a_revoked_lease_takes_its_keys_with_it
        a_lease_is_renewed_to_its_full_length
        a_key_put_without_its_lease_outlives_it
        terms_grow
        the_incarnation_is_raised_above_what_was_seen
        a_closed_registry_says_so
        compacting_keeps_what_is_there_and_the_history_after_it
        defragmenting_changes_nothing;
    watching:
        a_watch_replays_from_its_revision_and_goes_on
        a_watch_delivers_each_revision_whole
        a_watch_after_compaction_delivers_the_difference
        a_watch_that_knows_nothing_gets_everything_after_compaction
        a_listing_and_its_watch_give_the_whole_truth
        a_watch_sees_nothing_outside_its_prefix
        a_watch_ends_when_its_registry_is_closed;
}
