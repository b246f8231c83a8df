//! A lane: one user and one of its tasks.

use std::fmt;
use std::sync::Arc;

use super::violation::Violation;

/// All contacts of one user and task, sent first in first out.
///
/// Both ids go into a URL, so only `[A-Za-z0-9_-]{1,64}` is allowed: a row cannot address another
/// path of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    user_id: Arc<str>,
    task_id: Arc<str>,
}

impl Lane {
    /// Makes a lane, if both ids may stand in a URL path.
    pub fn new(user_id: &str, task_id: &str) -> Result<Self, Violation> {
        Self::check_user(user_id)?;
        check("task_id", task_id)?;
        Ok(Self {
            user_id: user_id.into(),
            task_id: task_id.into(),
        })
    }

    /// Checks whether a user of this id may have lanes.
    pub fn check_user(user_id: &str) -> Result<(), Violation> {
        check("user_id", user_id)
    }

    /// Returns a position in the order of lanes, by any ids. It need not be a valid lane.
    pub(crate) fn position(user_id: &str, task_id: &str) -> Self {
        Self {
            user_id: user_id.into(),
            task_id: task_id.into(),
        }
    }

    /// Whether it is a valid lane, and not only a position.
    pub(crate) fn is_valid(&self) -> bool {
        Self::new(&self.user_id, &self.task_id).is_ok()
    }

    /// Returns a position before all lanes of the same user. It is not a valid lane.
    pub(crate) fn before_its_user(&self) -> Self {
        self.at(String::new())
    }

    /// Returns a position behind all lanes of the same user. It is not a valid lane: `~` stands in
    /// no id, and sorts behind all characters that do.
    pub(crate) fn behind_its_user(&self) -> Self {
        self.at("~".to_owned())
    }

    fn at(&self, task_id: String) -> Self {
        Self {
            user_id: Arc::clone(&self.user_id),
            task_id: task_id.into(),
        }
    }

    /// The platform's user id, a route parameter.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// The platform's task id, a route parameter.
    pub fn task_id(&self) -> &str {
        &self.task_id
    }
}

fn check(field: &str, id: &str) -> Result<(), Violation> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if id.is_empty() || id.len() > 64 || !id.bytes().all(allowed) {
        return Err(Violation(format!(
            "{field} must be 1 to 64 letters, digits, '_' or '-'"
        )));
    }
    Ok(())
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.user_id, self.task_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_leave_their_path_segment_are_no_lane() {
        for bad in ["", "a/b", "..", "a b", "a%2f", "用户", &"x".repeat(65)] {
            assert!(Lane::new(bad, "t").is_err(), "{bad}");
            assert!(Lane::new("u", bad).is_err(), "{bad}");
        }
        let lane = Lane::new("4d99d91c-f5d9", "b15b_7392").unwrap();
        assert_eq!(lane.to_string(), "4d99d91c-f5d9/b15b_7392");
    }
}
