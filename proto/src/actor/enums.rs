//! Enumerations whose names are the same on both sides.

use crate::error::ConvertError;
use crate::wire;
use mobula_types::actor::{
    ActorState, AutoShutdown, ChildState, Lifetime, OnIsolation, Placement, RestartType, SupervisorStrategy,
    WatchKind,
};

macro_rules! same_names {
    ($domain:ident, $write:ident, $read:ident, [$($name:ident),* $(,)?]) => {
        pub(crate) fn $write(value: $domain) -> i32 {
            match value {
                $($domain::$name => wire::$domain::$name,)*
            }
            .into()
        }

        pub(crate) fn $read(number: i32, field: &'static str) -> Result<$domain, ConvertError> {
            match wire::$domain::try_from(number) {
                $(Ok(wire::$domain::$name) => Ok($domain::$name),)*
                _ => Err(ConvertError::unknown(field, number)),
            }
        }
    };
}

same_names!(RestartType, restart_to_wire, restart_from_wire, [Permanent, Transient, Temporary]);
same_names!(Lifetime, lifetime_to_wire, lifetime_from_wire, [Handles, Detached]);
same_names!(OnIsolation, on_isolation_to_wire, on_isolation_from_wire, [Stop, Keep]);
same_names!(Placement, placement_to_wire, placement_from_wire, [Default, Spread, Affinity, AntiAffinity]);
same_names!(
    SupervisorStrategy,
    strategy_to_wire,
    strategy_from_wire,
    [OneForOne, OneForAll, RestForOne, SimpleOneForOne]
);
same_names!(
    AutoShutdown,
    auto_shutdown_to_wire,
    auto_shutdown_from_wire,
    [Never, AnySignificant, AllSignificant]
);
same_names!(
    ActorState,
    actor_state_to_wire,
    actor_state_from_wire,
    [Pending, Starting, Running, Stopping, Restarting, Isolated, Dead]
);
same_names!(ChildState, child_state_to_wire, child_state_from_wire, [Present, Ignored, Stopped]);
same_names!(WatchKind, watch_kind_to_wire, watch_kind_from_wire, [Monitor, Link]);
