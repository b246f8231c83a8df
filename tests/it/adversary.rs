//! An adversary on every side of the real program: a platform that may answer whatever HTTP and
//! JSON allow, apps that write odd rows and change them, operators who do everything at once, and
//! lanes in every kind of trouble. In between, a good lane gets a contact now and then.
//!
//! The adversary does not know how the program works. It judges by four rules: no row lies, no
//! request comes without progress or delay, the good lane is served meanwhile, and memory and
//! requests are bounded.
//!
//! A seed decides what happens, the same one each time (as far as a race can be repeated).
//! `COURIER_TEST_SEED` takes another one, and `COURIER_TEST_SEEDS=N` tries N new ones. Each is
//! printed.

mod answers;
mod apps;
mod books;
mod judge;
mod mood;
mod numbers;
mod operators;
mod platform;
mod run;

use crate::seed;
