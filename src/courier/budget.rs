//! The budget that pays for the requests of a lane that waits.

use super::limits::Budget;
use crate::platform::verdict::WaitReason;

/// Returns the budget for a lane that waits for this reason. After a refused token there is none:
/// the gate lets single probes through, and they need no budget.
pub(super) fn budget(reason: &str) -> Option<Budget> {
    match WaitReason::named(reason)? {
        WaitReason::Unauthorized => None,
        reason if reason.waits_for_a_person() => Some(Budget::Probes),
        _ => Some(Budget::Retries),
    }
}
