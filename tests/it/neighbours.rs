//! Bad neighbours: hundreds of lanes in one kind of trouble, and a good one beside them.
//!
//! The platform is a server of the test: its answer depends on the user alone. Each good contact is
//! inserted when the one before it has arrived. The test counts the other requests in between: a
//! good lane may wait for its turn, but not for the trouble of the others.

mod busy;
mod down;
mod left;
mod locked;
pub(crate) mod platform;
mod rates;
mod trouble;
mod turned_away;

use crate::world;
