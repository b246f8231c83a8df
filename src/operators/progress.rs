//! How far a long action is.

/// Is told how many contacts more are done.
pub type Progress<'a> = &'a mut (dyn FnMut(u64) + Send);
