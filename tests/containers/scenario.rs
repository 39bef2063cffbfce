//! What a scenario is, and how a list of them is written.

use std::pin::Pin;

use crate::bench::Bench;

/// Something that every engine does; panics when the engine does something else.
pub type Scenario = for<'a> fn(&'a Bench) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

macro_rules! scenarios {
    ($all:ident: $($(#[$doc:meta])* async fn $name:ident($bench:ident) $body:block)*) => {
        /// All scenarios by name, in the order in which they run.
        pub const $all: &[(&str, crate::scenario::Scenario)] = &[$((stringify!($name), $name)),*];
        $($(#[$doc])* fn $name($bench: &Bench) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
            Box::pin(async move $body)
        })*
    };
}
pub(crate) use scenarios;
