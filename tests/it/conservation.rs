//! Nothing lost, nothing doubled, the truth per row: the real program through everything at once.
//!
//! Twenty thousand contacts in thirty lanes, good and bad and of every kind of request, go to a
//! simulated platform that fails in every way it can. Meanwhile couriers are killed, frozen and
//! woken, and the database's server is killed and started again. In the end every row must be
//! final, and say what the platform says.
//!
//! A seed decides what happens, and after how much progress. It is printed; set `COURIER_TEST_SEED`
//! to repeat the run (as far as a race can be repeated).

mod contacts;
mod couriers;
mod galera;
mod pgpool;
mod storm;
mod truth;
mod weather;

use crate::seed;
