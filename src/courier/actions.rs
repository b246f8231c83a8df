//! Logs what operators did: each action once, when it is over.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::sleep;

use super::context::Context;
use crate::outbox::ActionReport;
use crate::telemetry::event::OperatorActed;

/// The time between two reads of the history.
const INTERVAL: Duration = Duration::from_secs(2);

/// The finished actions that were logged, or were there before this courier started.
#[derive(Debug, Default)]
struct Told {
    /// Whether each was broken off. Such an action may go on, and is then logged again at its end.
    ids: HashMap<String, bool>,
    began: bool,
}

impl Told {
    /// Returns the newest actions that are over and not logged yet.
    fn news(&mut self, newest: Vec<ActionReport>) -> Vec<ActionReport> {
        let over: Vec<ActionReport> = newest.into_iter().filter(ActionReport::is_over).collect();
        let end = |action: &ActionReport| (action.id.clone(), action.is_broken_off());
        let ids = over.iter().map(end).collect();
        let before = std::mem::replace(&mut self.ids, ids);
        if !std::mem::replace(&mut self.began, true) {
            return Vec::new();
        }
        let is_new =
            |action: &ActionReport| before.get(&action.id).copied() != Some(action.is_broken_off());
        over.into_iter().filter(is_new).collect()
    }
}

/// Follows the history. Does not end.
pub(super) async fn follow(context: &Context) {
    let mut told = Told::default();
    loop {
        // Errors are not reported here: the loop for operators' orders reads more often and reports
        // them.
        if let Ok(newest) = context.outbox.newest_actions().await {
            for action in told.news(newest).iter().rev() {
                OperatorActed {
                    action: &action.action,
                    selection: &action.selection,
                    affected: action.affected,
                    os_user: &action.os_user,
                    host: &action.host,
                    is_broken_off: action.is_broken_off(),
                }
                .emit();
            }
        }
        sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Moment;

    fn action(id: &str, over: bool) -> ActionReport {
        ActionReport {
            id: id.into(),
            action: "cancel".into(),
            host: "db1".into(),
            os_user: "anna".into(),
            selection: "lane u/t".into(),
            affected: Some(1),
            began_at: None,
            ended_at: over.then(Moment::default),
            changed_ago: 0.0,
        }
    }

    #[test]
    fn an_action_is_told_once_when_it_is_over_and_not_if_it_was_there_before() {
        let mut told = Told::default();
        let mut ids = |actions: &[ActionReport]| {
            let news = told.news(actions.to_vec());
            news.into_iter().map(|action| action.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&[action("1", true)]), [""; 0]);
        assert_eq!(ids(&[action("2", false), action("1", true)]), [""; 0]);
        assert_eq!(ids(&[action("2", true), action("1", true)]), ["2"]);
        assert_eq!(ids(&[action("2", true)]), [""; 0]);
        let broken_off = ActionReport {
            changed_ago: 61.0,
            ..action("3", false)
        };
        assert_eq!(ids(std::slice::from_ref(&broken_off)), ["3"]);
        assert_eq!(ids(&[broken_off]), [""; 0]);
        // It was only slow.
        assert_eq!(ids(&[action("3", true)]), ["3"]);
        assert_eq!(ids(&[action("3", true)]), [""; 0]);
    }
}
