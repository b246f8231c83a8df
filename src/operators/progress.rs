//! The progress of a long action.

/// Is called with the number of contacts that were done since the last call.
pub type Progress<'a> = &'a mut (dyn FnMut(u64) + Send);
