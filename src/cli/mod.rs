//! The commands, one file each: arguments in, text and an exit code out.

pub mod simulate;
