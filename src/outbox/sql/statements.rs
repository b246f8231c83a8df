//! The statements that a dialect brings, and the values of each.
//!
//! A dialect writes them in its own SQL. The brackets list the values, in their order;
//! `outbox::rows` and `outbox::operations` read the returned rows, by the names of the columns.

/// A statement: its text, and how it is run.
#[derive(Clone, Copy, Debug)]
pub(in crate::outbox) struct Statement {
    pub(in crate::outbox) sql: &'static str,
    /// Which value stands at each of its places, counted from 1; empty: the values stand in their
    /// order.
    pub(super) places: &'static [usize],
    /// Whether it returns how many rows it has written.
    pub(super) counts: bool,
}

impl Statement {
    /// A statement that takes its values in their order.
    pub(in crate::outbox) const fn new(sql: &'static str) -> Self {
        Self {
            sql,
            places: &[],
            counts: false,
        }
    }

    /// The same where places have no numbers: `places` lists which value stands at each of them.
    pub(in crate::outbox) const fn with(self, places: &'static [usize]) -> Self {
        Self { places, ..self }
    }

    /// A statement that writes, and returns how many rows are now as they should be.
    pub(in crate::outbox) const fn counting(sql: &'static str) -> Self {
        Self {
            counts: true,
            ..Self::new(sql)
        }
    }
}

impl From<&'static str> for Statement {
    fn from(sql: &'static str) -> Self {
        Self::new(sql)
    }
}

/// The statements of the courier, except those for the work that a dialect does in its own way.
#[derive(Debug)]
pub(in crate::outbox) struct Statements {
    /// Registers a courier or renews its heartbeat [id, host, pid, lease in milliseconds, its
    /// report about itself].
    pub(in crate::outbox) beat: Statement,
    /// Counts the courier [id] if others see that it lives; `None`: `beat` is sure to have done it.
    pub(in crate::outbox) alive: Option<&'static str>,
    /// Brings heartbeats that lie in the future back to now. A heartbeat more than some seconds
    /// ahead was not written by the clock as it goes now.
    pub(in crate::outbox) bring_back_beats: &'static str,
    /// The same for holds, which end so many seconds from now at the latest, and for their
    /// beginnings [seconds].
    pub(in crate::outbox) bring_back_holds: Statement,
    /// The same for the instants since when open batches fail.
    pub(in crate::outbox) bring_back_failures: &'static str,
    /// Deletes couriers that have been silent for a day.
    pub(in crate::outbox) clear_silent_instances: &'static str,
    /// Frees all lanes of a courier [id].
    pub(in crate::outbox) free_lanes: &'static str,
    /// Removes a courier [id].
    pub(in crate::outbox) remove_instance: &'static str,
    /// Takes a lane and returns its row, and how long ago a pause of it ended by itself; no row: it
    /// is not free, or on hold [user, task, courier].
    pub(in crate::outbox) lease_lane: &'static str,
    /// Brings a lane's open batches into the name of a token [user, task, token]. A batch that was
    /// under way when its owner stopped may have arrived.
    pub(in crate::outbox) adopt_batches: Statement,
    /// Reads them [user, task]; `None`: `adopt_batches` returns them.
    pub(in crate::outbox) open_entries: Option<&'static str>,
    /// Reads the pending ones of the contacts [contacts, the most bytes of one]. Of a contact that
    /// is longer, its first texts are read up to that length.
    pub(in crate::outbox) pending_rows: Statement,
    /// Ends the holds of all lanes that wait for a reason [reason].
    pub(in crate::outbox) lift_holds: &'static str,
    /// Gives a lane back [user, task, token].
    pub(in crate::outbox) release_lane: &'static str,
    /// The greatest id of a contact, or 0.
    pub(in crate::outbox) newest: &'static str,
    /// The lanes of the newest contacts behind one id and up to another [the two ids].
    pub(in crate::outbox) newest_lanes: &'static str,
    /// Counts the contacts that are left, by class [courier].
    pub(in crate::outbox) backlog: &'static str,
    /// Keeps the learned rate [JSON].
    pub(in crate::outbox) keep_rate: Statement,
    /// Reads the learned rate, and how long ago it was kept.
    pub(in crate::outbox) learned_rate: &'static str,
    /// Deletes shared rates of which nobody has claimed anything for longer than this [seconds].
    pub(in crate::outbox) forget_rates: Statement,

    /// Reads the tokens of lanes and locks them against other writers [lanes].
    pub(in crate::outbox) lock_lanes: &'static str,
    /// Reads the journal's state of batches [batches].
    pub(in crate::outbox) find_batches: &'static str,
    /// Puts batches into the journal. Their lanes must still be ours, and all rows of a batch that
    /// is about to be sent must be pending [records].
    pub(in crate::outbox) open_batches: &'static str,
    /// Reads which of the batches are on their way [batches].
    pub(in crate::outbox) sending_batches: &'static str,
    /// Reads which of the contacts are not pending, or not there [contacts].
    pub(in crate::outbox) stale_rows: &'static str,
    /// Writes the records of a plan: [`Postponed`](crate::outbox::plan::Postponed) and so on. A row
    /// of the outbox is written only here, and by the statements for successes.
    pub(in crate::outbox) postpone_batches: Statement,
    pub(in crate::outbox) resend_batches: Statement,
    pub(in crate::outbox) close_batches: Statement,
    pub(in crate::outbox) settle_failures: Statement,
    /// Settles successes, by batch [contacts, attempts, batch].
    pub(in crate::outbox) settle_successes: &'static str,
    pub(in crate::outbox) change_lanes: Statement,
}

/// The statements that operators ask.
#[derive(Debug)]
pub(in crate::outbox) struct Operating {
    /// Questions about all lanes: the sums [users that a gate keeps back, with commas; `*`: all],
    /// the registered couriers, the longest lanes [the same, limit], the lanes on hold [limit]
    /// (except lanes in which nothing is due).
    pub(in crate::outbox) overview: Statement,
    pub(in crate::outbox) instances: &'static str,
    pub(in crate::outbox) lanes: Statement,
    pub(in crate::outbox) paused: &'static str,
    /// A contact, and how it had ended before [contact].
    pub(in crate::outbox) contact: &'static str,
    pub(in crate::outbox) requeues: &'static str,
    /// Batches of the journal [ids as text].
    pub(in crate::outbox) batches_named: &'static str,
    /// The open batches that hold a contact, and how many contacts go before it if it was not put
    /// off [user, task, contact].
    pub(in crate::outbox) open_batches_with: &'static str,
    pub(in crate::outbox) ahead: &'static str,
    /// How a lane stands [user, task].
    pub(in crate::outbox) lane: &'static str,
    /// A row, if a contact of a user is pending [user].
    pub(in crate::outbox) user_waits: &'static str,
    /// A row, if a contact of a lane is due [user, task].
    pub(in crate::outbox) lane_is_due: &'static str,
    /// Some lane of a user [user].
    pub(in crate::outbox) lane_of_user: &'static str,

    /// Failed contacts that pass a filter [user, task, kinds, part of the cause, youngest and
    /// oldest age in seconds; then the last one's `cursor_at` and id, limit].
    pub(in crate::outbox) failures: Statement,
    /// Counts the failed contacts [the same up to the ages].
    pub(in crate::outbox) count_failures: Statement,
    /// Counts the failed contacts by a property that they share, the most first [the same up to the
    /// ages, `cause`, `lane` or `kind`].
    pub(in crate::outbox) failures_by: Statement,
    /// The failed ones of the contacts [contacts].
    pub(in crate::outbox) failures_named: &'static str,
    /// Counts the pending contacts of one lane [user, task].
    pub(in crate::outbox) count_lane: &'static str,
    /// Locks the failed ones of these contacts that were not redacted, in their order, and returns them [contacts].
    pub(in crate::outbox) lock_failed: &'static str,

    /// The contact that has a key [key].
    pub(in crate::outbox) contact_by_key: &'static str,

    /// Results in their order [the instant that they end after, so many seconds before it, or
    /// before now if only these are given; or the last one's `finished_at` and id; limit].
    pub(in crate::outbox) results: Statement,
    /// Whether the index of this order is `there` or `unfinished`.
    pub(in crate::outbox) results_index: &'static str,

    /// A page of the table from end to end [age in seconds, last id, limit]. Contacts also say
    /// whether they are redacted.
    pub(in crate::outbox) prunable_contacts: Statement,
    pub(in crate::outbox) prunable_batches: Statement,
    /// Deletes the contacts that are final and old, whatever has happened to them since they were
    /// read [age in seconds, contacts].
    pub(in crate::outbox) delete_contacts: Statement,
    /// Forgets the earlier ends of the contacts that are gone [contacts].
    pub(in crate::outbox) forget_requeues: &'static str,
    /// The contacts that this prune will not delete [age in seconds of contacts to delete,
    /// contacts].
    pub(in crate::outbox) contacts_standing: Statement,
    /// Deletes closed batches [ids as text].
    pub(in crate::outbox) delete_batches: &'static str,
}

/// The statements that take out personal data.
#[derive(Debug)]
pub(in crate::outbox) struct Erasing {
    /// A page of the table from its end on: ids, numbers, and the masks of encrypted ones, if they
    /// are not longer [characters, the id before which it ends, limit].
    pub(in crate::outbox) numbers: Statement,
    /// The states of the contacts that are there [contacts].
    pub(in crate::outbox) standing: Statement,
    /// Reads the personal data of the contacts that are final, and locks their rows [contacts].
    pub(in crate::outbox) personal: Statement,
    /// Takes personal data out [records]: [`Redacted`](crate::outbox::operations::Redacted).
    pub(in crate::outbox) redact: Statement,
    /// The batches that contacts were in before they were requeued, each with its contact
    /// [contacts].
    pub(in crate::outbox) earlier_batches: Statement,
    /// Forgets the earlier causes of failure [contacts].
    pub(in crate::outbox) forget_causes: Statement,
    /// The hold words of the contacts' lanes, each with its contact [contacts].
    pub(in crate::outbox) held_lanes: Statement,
    /// Replaces the hold words of a lane, unless they have changed since [text, user, task, old
    /// words].
    pub(in crate::outbox) reword_hold: Statement,
    /// The journal's words about batches [ids as text].
    pub(in crate::outbox) answers: Statement,
    /// Replaces the words about closed batches [text, ids as text].
    pub(in crate::outbox) reword: Statement,
}

/// The statements of operators who change work that is under way.
#[derive(Debug)]
pub(in crate::outbox) struct Intervening {
    /// Counts pending contacts by lane [user, task, the oldest age in seconds, each null for any].
    pub(in crate::outbox) count_pending: Statement,
    /// The open batches that are on their way or may have arrived [user, task, each null for any].
    pub(in crate::outbox) going: Statement,
    /// Some ten thousand pending contacts of a lane, by their ids [user, task, the oldest age in
    /// seconds or null, last id].
    pub(in crate::outbox) pending: Statement,
    /// The contacts among these that are there [contacts], [keys].
    pub(in crate::outbox) contacts_by_id: &'static str,
    pub(in crate::outbox) contacts_by_key: &'static str,
    /// Those of these contacts that may be in their task by a send before a requeue [contacts].
    pub(in crate::outbox) doubted: &'static str,
    /// Makes the row of a lane if there is none [user, task].
    pub(in crate::outbox) make_lane: Statement,
    /// The pauses that are in force.
    pub(in crate::outbox) pauses: &'static str,
    /// The pauses that are in force, and the lanes that were resumed lately.
    pub(in crate::outbox) orders: &'static str,
    /// Pauses, or changes a pause [user, task, each empty for any, reason, seconds or null].
    pub(in crate::outbox) pause: Statement,
    /// Forgets pauses that have ended, and resumes older than ten minutes.
    pub(in crate::outbox) forget_orders: [&'static str; 2],
    /// Moves the start of waits and of failures to the end of a pause that has ended, or that ends
    /// now [user, task, each empty for any].
    pub(in crate::outbox) leave_out_pauses: [Statement; 2],
    /// Ends the pauses of lanes [user, task, each empty for any].
    pub(in crate::outbox) end_pauses: Statement,
    /// Ends the holds of lanes [user, task, each empty for any].
    pub(in crate::outbox) end_holds: Statement,
    /// Makes couriers try lanes at once [id, user, task, each empty for any].
    pub(in crate::outbox) resume: Statement,
    /// The last actions [limit].
    pub(in crate::outbox) actions: Statement,
    /// Deletes old actions [age in seconds].
    pub(in crate::outbox) forget_actions: Statement,
    /// Adds a part to an action [id, action, host, user, selection, rows or null, 1 if it is the
    /// last].
    pub(in crate::outbox) note_action: Statement,
}

/// Which migrations the database has; the same in every SQL.
pub(super) const APPLIED: &str =
    "SELECT version, checksum FROM contact_courier_migrations WHERE success";

/// How many contacts are in each state; the same in every SQL.
pub(super) const OUTCOMES: &str =
    "SELECT status, fail_kind, count(*) AS contacts FROM contact_outbox
     GROUP BY status, fail_kind ORDER BY status DESC, fail_kind";

/// How many different numbers, counted per lane, were delivered; the same in every SQL.
pub(super) const NUMBERS_DELIVERED: &str = "SELECT count(*) FROM
        (SELECT DISTINCT user_id, task_id, phone FROM contact_outbox WHERE status = 'succeeded') n";

/// Names and texts of the statements that run all day, for tests that look at plans. `own` are the
/// statements that only this database has.
pub(in crate::outbox) fn hot(
    courier: &Statements,
    operating: &Operating,
    erasing: &Erasing,
    own: &[(&'static str, &'static str)],
) -> Vec<(&'static str, &'static str)> {
    let open_entries = courier
        .open_entries
        .map(|entries| ("open_entries", entries));
    let all = [
        ("lease_lane", courier.lease_lane),
        ("adopt_batches", courier.adopt_batches.sql),
        ("pending_rows", courier.pending_rows.sql),
        ("release_lane", courier.release_lane),
        ("newest", courier.newest),
        ("newest_lanes", courier.newest_lanes),
        ("backlog", courier.backlog),
        ("lock_lanes", courier.lock_lanes),
        ("find_batches", courier.find_batches),
        ("open_batches", courier.open_batches),
        ("sending_batches", courier.sending_batches),
        ("stale_rows", courier.stale_rows),
        ("postpone_batches", courier.postpone_batches.sql),
        ("resend_batches", courier.resend_batches.sql),
        ("close_batches", courier.close_batches.sql),
        ("settle_failures", courier.settle_failures.sql),
        ("settle_successes", courier.settle_successes),
        ("change_lanes", courier.change_lanes.sql),
        ("overview", operating.overview.sql),
        ("lanes", operating.lanes.sql),
        ("paused", operating.paused),
        ("failures", operating.failures.sql),
        ("count_lane", operating.count_lane),
        ("contact_by_key", operating.contact_by_key),
        ("prunable_contacts", operating.prunable_contacts.sql),
        ("prunable_batches", operating.prunable_batches.sql),
        ("contacts_standing", operating.contacts_standing.sql),
        ("delete_contacts", operating.delete_contacts.sql),
        ("delete_batches", operating.delete_batches),
        ("standing", erasing.standing.sql),
        ("personal", erasing.personal.sql),
        ("redact", erasing.redact.sql),
        ("earlier_batches", erasing.earlier_batches.sql),
        ("forget_causes", erasing.forget_causes.sql),
        ("held_lanes", erasing.held_lanes.sql),
        ("reword_hold", erasing.reword_hold.sql),
        ("answers", erasing.answers.sql),
        ("reword", erasing.reword.sql),
    ];
    let all = all.into_iter().chain(open_entries);
    all.chain(own.iter().copied()).collect()
}
