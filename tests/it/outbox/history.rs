//! The history of operators' actions, as the database keeps it.

use std::time::Duration;

use contact_courier::contact::ContactId;
use contact_courier::outbox::{Action, ActionReport, Part, Pruning};

use super::operations::failed;
use crate::support::{Db, action, on_every_database};

on_every_database!(
    what_was_done_is_told_the_last_first_with_what_it_changed,
    what_is_not_over_is_under_way_or_was_broken_off,
    old_actions_are_pruned_with_the_rest,
);

fn of(name: &'static str) -> Action {
    action(name, format!("what was to be {name}d"))
}

async fn note(db: &Db, action: &Action, affected: Option<u64>, is_last: bool) {
    let part = Part { affected, is_last };
    let noted = db.operations.note_action(action, part).await;
    noted.expect("notes");
}

async fn history(db: &Db, limit: u32) -> Vec<ActionReport> {
    let history = db.operations.history(limit).await.expect("a history");
    let newest = db.outbox.newest_actions().await.expect("a history");
    let ids = |actions: &[ActionReport]| {
        let ids = actions.iter().map(|action| action.id.clone());
        ids.take(limit as usize).collect::<Vec<_>>()
    };
    assert_eq!(ids(&history), ids(&newest));
    history
}

async fn what_was_done_is_told_the_last_first_with_what_it_changed(db: &Db) {
    assert_eq!(history(db, 10).await, []);
    let requeue = of("requeue");
    let row = failed(db, "u/t", "expired", "late", 5).await;
    let ids = [ContactId(row)];
    for wanted in [1, 0] {
        let requeued = db.operations.requeue(&ids, &|_| true, Some(&requeue)).await;
        assert_eq!(requeued.expect("requeues"), wanted);
    }
    note(db, &requeue, Some(0), true).await;
    failed(db, "u/t", "expired", "late", 3_600).await;
    let prune = of("prune");
    let old = Pruning {
        older_than: Duration::from_mins(30),
        dry_run: false,
    };
    let pruned = db.operations.prune_contacts(old, None, Some(&prune)).await;
    assert_eq!(pruned.expect("prunes").pruned, 1);
    let pruned = db.operations.prune_batches(old, None, Some(&prune)).await;
    pruned.expect("prunes");
    note(db, &prune, Some(0), true).await;
    note(db, &of("reload"), None, true).await;
    let told: Vec<(String, Option<u64>)> = history(db, 10)
        .await
        .into_iter()
        .map(|action| {
            assert!(action.is_over() && !action.is_broken_off(), "{action:?}");
            assert_eq!(
                (action.host.as_str(), action.os_user.as_str()),
                ("db1", "anna")
            );
            assert_eq!(
                action.selection,
                format!("what was to be {}d", action.action)
            );
            let began = action.began_at.as_ref().expect("an instant");
            assert!(began.seconds_ago < 60.0 && action.ended_at.is_some());
            (action.action, action.affected)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("reload".into(), None),
            ("prune".into(), Some(1)),
            ("requeue".into(), Some(1))
        ]
    );
    assert_eq!(history(db, 2).await.len(), 2);
}

async fn what_is_not_over_is_under_way_or_was_broken_off(db: &Db) {
    note(db, &of("cancel"), Some(7), false).await;
    let under_way = history(db, 1).await.remove(0);
    assert!(!under_way.is_over(), "{under_way:?}");
    let past = db.now(-120);
    db.execute(&format!("UPDATE operator_action SET changed_at = {past}"))
        .await;
    let broken_off = history(db, 1).await.remove(0);
    assert!(broken_off.is_over() && broken_off.is_broken_off());
    assert_eq!(broken_off.affected, Some(7));
}

async fn old_actions_are_pruned_with_the_rest(db: &Db) {
    note(db, &of("pause"), None, true).await;
    let past = db.now(-7_200);
    db.execute(&format!("UPDATE operator_action SET began_at = {past}"))
        .await;
    note(db, &of("resume"), None, true).await;
    for (dry_run, left) in [(true, 2), (false, 1)] {
        let pruning = Pruning {
            older_than: Duration::from_hours(1),
            dry_run,
        };
        let pruned = db.operations.prune_batches(pruning, None, None).await;
        pruned.expect("prunes");
        assert_eq!(history(db, 10).await.len(), left);
    }
    assert_eq!(history(db, 10).await[0].action, "resume");
}
