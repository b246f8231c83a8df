//! Masked phone numbers: how the courier shows a number, and which row a mask of the platform
//! means.
//!
//! The platform names the rows that it refused by a masked number (`911***8179`). A mask shows the
//! *visible ends* of a number and hides the middle with stars. This module does no I/O and guesses
//! nothing; the verdict decides what to do when a mask matches several rows. See `docs/answers.md`,
//! "Whose failure is it".

mod alike;
mod amount;
mod ends;
mod fit;
mod spelling;
mod text;
mod typed;

pub use alike::{without_ids, without_labelled};
pub use ends::{VisibleEnds, mask};
pub use fit::{Fit, Name, Shown};
pub use spelling::{canonical, each_spelling, without_suffix};
pub use text::{hide_within, is_same_number, mask_all, mask_number, mask_own, mask_within};
pub use typed::{mask_key, mask_typed};
