//! Every statement that is sent to MySQL or MariaDB, named by intent.
//!
//! Both servers understand all of it. Lists come as one JSON parameter and are read by
//! `JSON_TABLE`, whose texts name their character set: MariaDB would take the database's. From
//! there the join goes on by `STRAIGHT_JOIN`, and every table whose plan matters says
//! `FORCE INDEX`. Then no statistics can turn a lookup into a scan, or lock more than the named
//! rows. A range behind a lane is written with `OR`: neither server seeks by a comparison of rows,
//! `(a, b) > (…)`.

use std::sync::LazyLock;

use crate::outbox::sql::statements::{Statement, Statements, hot};

/// A list of lanes.
macro_rules! lanes {
    () => {
        "JSON_TABLE(?, '$[*]' COLUMNS (
             user_id VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.user_id',
             task_id VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.task_id'
         ))"
    };
}

/// A list of ids of contacts.
macro_rules! contact_ids {
    () => {
        "JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT UNSIGNED PATH '$'))"
    };
}

/// Seconds from an instant (an expression) until now.
macro_rules! seconds_since {
    ($instant:literal) => {
        concat!("(TIMESTAMPDIFF(MICROSECOND, ", $instant, ", NOW(6)) / 1e6)")
    };
}

/// How many bytes texts have together.
macro_rules! bytes {
    ($($column:literal)+) => {
        concat!("0", $(" + COALESCE(LENGTH(c.", $column, "), 0)",)+)
    };
}

/// Texts, each unless it is longer than a parameter, and than the next one together with the texts before
/// it; then the bytes of all. Nearly all texts are short.
macro_rules! texts {
    ([$($before:literal)*]) => {
        bytes!($($before)*)
    };
    ([$($before:literal)*] $column:literal $($rest:literal)*) => {
        concat!(
            "CASE WHEN LENGTH(c.", $column, ") > ? THEN CASE WHEN ", bytes!($($before)* $column),
            " <= ? THEN c.", $column, " END ELSE c.", $column, " END, ",
            texts!([$($before)* $column] $($rest)*)
        )
    };
}

/// Whether a contact that was requeued may be in its task by an earlier send. One that never went out
/// has no batch, so nothing is looked up for it.
macro_rules! in_doubt {
    () => {
        "CASE WHEN c.batch_id IS NULL THEN false
              ELSE (SELECT true FROM contact_requeue AS q FORCE INDEX (contact_requeue_by_contact)
                    WHERE q.contact_id = c.id AND q.fail_kind = 'unconfirmed' LIMIT 1)
         END AS in_doubt"
    };
}

/// The columns of an `OutboxRow`. Each of its ten texts takes the lengths of texts as parameters, the
/// shorter one first.
macro_rules! row_columns {
    () => {
        concat!(
            "c.id, ",
            texts!([] "phone" "name" "email" "company" "sub_user_id" "control_select_robot"
                "phone_mask" "extra" "components" "custom_vars"),
            " AS bytes, c.sex, c.sort, c.source_id, c.industry_id, c.grade_id, c.ignore_crm,
             c.skip_error, c.number_add_suffix, c.encryption, ",
            seconds_since!("COALESCE(c.not_before, c.created_at)"),
            " AS due_for, ",
            in_doubt!()
        )
    };
}

/// The pending rows, by lane.
macro_rules! pending {
    () => {
        "contact_outbox AS c FORCE INDEX (contact_outbox_pending)"
    };
}

/// Whether the owner `$owner` (an expression) is an instance whose leases are good.
macro_rules! is_alive {
    ($owner:literal) => {
        concat!(
            "(SELECT true FROM courier_instance AS i WHERE i.id = ",
            $owner,
            " AND i.heartbeat_at > NOW(6) - INTERVAL i.lease_ms * 1000 MICROSECOND)"
        )
    };
}

/// Whether the transaction that the statement belongs to still stands. A Galera node may undo a
/// transaction while a statement of it is prepared, and not say so; the next statements would then
/// be carried out by themselves. MySQL reads no comment of this kind.
macro_rules! stands {
    () => {
        " /*M!100300 AND @@in_transaction */"
    };
}

/// A column of a row (with its dot) that apps may fill with any text: its two ends, if it is longer than
/// any number.
macro_rules! ends {
    ($row:literal, $text:literal) => {
        concat!(
            "CASE WHEN CHAR_LENGTH(",
            $row,
            $text,
            ") <= 1000 THEN ",
            $row,
            $text,
            " ELSE CONCAT(LEFT(",
            $row,
            $text,
            ", 10), '***', RIGHT(",
            $row,
            $text,
            ", 10)) END AS ",
            $text
        )
    };
}

/// An instant (an expression) as text for people, and how long ago it was, under a name.
macro_rules! moment {
    ($instant:literal, $name:literal) => {
        concat!(
            "DATE_FORMAT(",
            $instant,
            ", '%Y-%m-%dT%H:%i:%sZ') AS ",
            $name,
            ", ",
            seconds_since!($instant),
            " AS ",
            $name,
            "_ago"
        )
    };
}

/// Whether an operator has paused the lane that a table expression has the columns of.
macro_rules! is_paused {
    ($lane:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM delivery_pause AS p
                 WHERE (p.user_id = '' OR p.user_id = ",
            $lane,
            ".user_id AND p.task_id IN ('', ",
            $lane,
            ".task_id))
                   AND (p.paused_until IS NULL OR p.paused_until > NOW(6)))"
        )
    };
}

/// Whether an operator has paused a lane by itself.
macro_rules! is_paused_alone {
    ($lane:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM delivery_pause AS p
                 WHERE p.user_id = ",
            $lane,
            ".user_id AND p.task_id = ",
            $lane,
            ".task_id
                   AND (p.paused_until IS NULL OR p.paused_until > NOW(6)))"
        )
    };
}

/// When the last pause of a lane (two expressions) ended by itself.
macro_rules! unpaused_at {
    ($user:literal, $task:literal) => {
        concat!(
            "(SELECT MAX(p.paused_until) FROM delivery_pause AS p
              WHERE (p.user_id = '' OR p.user_id = ",
            $user,
            " AND p.task_id IN ('', ",
            $task,
            ")) AND p.paused_until <= NOW(6))"
        )
    };
}

pub(super) mod erasing;
pub(super) mod intervening;
pub(super) mod migrating;
pub(super) mod operating;

/// User, user, task, limit. The lanes of the pending rows behind a lane: one seek in the index, and
/// no more rows than the limit.
pub(super) const ROWS_AHEAD: &str = concat!(
    "SELECT c.user_id, c.task_id FROM ",
    pending!(),
    " WHERE c.status = 'pending' AND (c.user_id > ? OR (c.user_id = ? AND c.task_id > ?))
      ORDER BY c.user_id, c.task_id LIMIT ?"
);

/// User, user, task, limit. The same for open batches.
pub(super) const BATCHES_AHEAD: &str = "
    SELECT b.user_id, b.task_id FROM delivery_batch AS b FORCE INDEX (delivery_batch_open)
    WHERE b.closed_at IS NULL AND (b.user_id > ? OR (b.user_id = ? AND b.task_id > ?))
    ORDER BY b.user_id, b.task_id LIMIT ?";

/// Linger in seconds, batch size less one, linger, lanes, instance. The free lanes of the list, in
/// its order, and when they are ripe: null if nothing of a lane is due. Nothing here touches more
/// than a batch of rows of a lane. The first due row of those with a `not_before` stands behind all
/// rows without one, so it is looked for when these are known to be fewer than a batch. MySQL sorts
/// a whole lane if an order leaves out columns of the index that are known, and MariaDB 10 if it
/// names them.
pub(super) const RIPEN_LANES: &str = concat!(
    "SELECT free.user_id, free.task_id, free.hold_reason, CASE
         WHEN free.age >= ? OR free.age < 0 THEN 0e0
         WHEN (SELECT true FROM delivery_batch AS b FORCE INDEX (delivery_batch_open)
               WHERE b.closed_at IS NULL AND b.user_id = free.user_id AND b.task_id = free.task_id
               LIMIT 1) THEN 0e0
         WHEN (SELECT true FROM ",
    pending!(),
    "          WHERE c.status = 'pending' AND c.user_id = free.user_id
                 AND c.task_id = free.task_id AND c.not_before IS NULL
               LIMIT ?, 1) THEN 0e0
         WHEN (SELECT c.not_before FROM ",
    pending!(),
    "          WHERE c.status = 'pending' AND c.user_id = free.user_id
                 AND c.task_id = free.task_id AND c.not_before IS NOT NULL
               ORDER BY /*!80000 c.user_id, c.task_id, */ c.not_before LIMIT 1) <= NOW(6) THEN 0e0
         WHEN free.age IS NULL THEN (
             SELECT TIMESTAMPDIFF(MICROSECOND, NOW(6), c.not_before) / 1e6 FROM ",
    pending!(),
    "        WHERE c.status = 'pending' AND c.user_id = free.user_id
               AND c.task_id = free.task_id
               AND c.not_before <= NOW(6) + INTERVAL ? MICROSECOND
             ORDER BY /*!80000 c.user_id, c.task_id, */ c.not_before LIMIT 1)
         ELSE ? - free.age
     END AS ripe_in
     FROM (
         SELECT named.user_id, named.task_id, l.hold_reason, (SELECT ",
    seconds_since!("c.created_at"),
    "         FROM ",
    pending!(),
    "         WHERE c.status = 'pending' AND c.user_id = named.user_id
                AND c.task_id = named.task_id AND c.not_before IS NULL
              ORDER BY /*!80000 c.user_id, c.task_id, c.not_before, */ c.id LIMIT 1) AS age
         FROM ",
    lanes!(),
    " AS named
         LEFT JOIN delivery_lane AS l FORCE INDEX (PRIMARY)
             ON l.user_id = named.user_id AND l.task_id = named.task_id
         WHERE (l.held_until > NOW(6) OR (l.lease_owner <> ? AND ",
    is_alive!("l.lease_owner"),
    ")) IS NOT TRUE
     ) AS free"
);

/// User, task, instance. A lane that is leased for the first time; no row: it is there already.
pub(super) const NEW_LANE: &str = "
    INSERT IGNORE INTO delivery_lane (user_id, task_id, lease_owner, lease_token, leased_at)
    VALUES (?, ?, ?, CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED), NOW(6))";

/// User, task, instance. The values of the lease; no row: the lane is another courier's after all.
pub(super) const LEASED: &str = concat!(
    "SELECT l.lease_token, l.failures, l.hold_reason, ",
    seconds_since!("l.waits_since"),
    " AS waiting_for, TIMESTAMPDIFF(MICROSECOND, ",
    unpaused_at!("l.user_id", "l.task_id"),
    ", NOW(6)) / 1e6 AS unpaused_ago
      FROM delivery_lane AS l FORCE INDEX (PRIMARY)
      WHERE l.user_id = ? AND l.task_id = ? AND l.lease_owner = ?"
);

/// The lengths of texts, user, task, the last one's instant and id, limit. Rows that were put off and
/// are due.
pub(super) const READ_DEFERRED: Statement = Statement::new(concat!(
    "SELECT ",
    row_columns!(),
    ", CAST(c.not_before AS CHAR) AS not_before FROM ",
    pending!(),
    " WHERE c.status = 'pending' AND c.user_id = ? AND c.task_id = ?
        AND (c.not_before > ? OR (c.not_before = ? AND c.id > ?)) AND c.not_before <= NOW(6)
      ORDER BY c.not_before, c.id LIMIT ?"
))
.with(&[
    2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 3, 4, 5, 5, 6, 7,
]);

/// The lengths of texts, user, task, the last one's id, limit. Rows that were not put off.
pub(super) const READ_IMMEDIATE: Statement = Statement::new(concat!(
    "SELECT ",
    row_columns!(),
    ", NULL AS not_before FROM ",
    pending!(),
    " WHERE c.status = 'pending' AND c.user_id = ? AND c.task_id = ? AND c.not_before IS NULL
        AND c.id > ?
      ORDER BY c.id LIMIT ?"
))
.with(&[
    2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 3, 4, 5, 6,
]);

/// Lanes. A lock stays on its own node of a cluster. If two transactions change a row on two nodes,
/// one of them is undone, so the row really has to change. (Nothing else is read from `leased_at`.)
pub(super) const FENCE_LANES: &str = concat!(
    "UPDATE ",
    lanes!(),
    " AS named STRAIGHT_JOIN delivery_lane AS l FORCE INDEX (PRIMARY)
         ON l.user_id = named.user_id AND l.task_id = named.task_id
     SET l.leased_at = GREATEST(NOW(6), COALESCE(l.leased_at + INTERVAL 1 MICROSECOND, NOW(6)))"
);

/// Whether the transaction still stands. It is asked by the text protocol, which reports an undone
/// transaction where a prepared statement may not.
pub(super) const STANDS: &str = concat!("SELECT 1", stands!());

/// The variables by which a server tells that other servers take writes besides it.
pub(super) const CLUSTER: &str = "
    SHOW VARIABLES WHERE Variable_name IN
        ('wsrep_on', 'wsrep_provider', 'group_replication_group_name')";

/// Ids. The rows that are there.
pub(super) const ROWS: &str = "
    SELECT CAST(c.id AS SIGNED) FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT UNSIGNED PATH '$')) AS s
        STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = s.id";

/// Ids. The rows that no other session keeps locked.
pub(super) const FREE_ROWS: &str = "
    SELECT CAST(c.id AS SIGNED) FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT UNSIGNED PATH '$')) AS s
        STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = s.id
    FOR UPDATE /*!80001 OF c */ SKIP LOCKED";

/// The most bytes of a statement with its parameters.
pub(super) const PACKET: &str = "SELECT CAST(@@max_allowed_packet AS UNSIGNED)";

/// Ids of settled rows, states of batches (`plan::Standing`), lanes (`plan::Held`). How many of
/// each are not as they should be, by table.
pub(super) const UNWRITTEN: &str = "
    SELECT
        (SELECT COUNT(*)
         FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT UNSIGNED PATH '$')) AS s
             STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = s.id
         WHERE c.status = 'pending') AS contact_outbox,
        (SELECT COUNT(*)
         FROM JSON_TABLE(?, '$[*]' COLUMNS (
             id CHAR(36) CHARACTER SET utf8mb4 PATH '$.id',
             state VARCHAR(16) CHARACTER SET utf8mb4 PATH '$.state',
             attempts INT PATH '$.attempts'
         )) AS n STRAIGHT_JOIN delivery_batch AS b FORCE INDEX (PRIMARY) ON b.id = n.id
         WHERE b.state <> n.state OR b.attempts <> n.attempts) AS delivery_batch,
        (SELECT COUNT(*)
         FROM JSON_TABLE(?, '$[*]' COLUMNS (
             user_id VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.user_id',
             task_id VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.task_id',
             reason VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.reason'
         )) AS h STRAIGHT_JOIN delivery_lane AS l FORCE INDEX (PRIMARY)
             ON l.user_id = h.user_id AND l.task_id = h.task_id
         WHERE NOT l.hold_reason <=> h.reason) AS delivery_lane";

/// The present instant in microseconds since 1970, taken before any wait.
pub(super) const RATE_ASKED: &str = "SELECT CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";

/// The rate's name. The rate is given away up to `given_until`, in microseconds since 1970. This is
/// an upsert, because an upsert locks the row for writing at once: `INSERT IGNORE` would share the
/// lock, and two sessions that raise it later deadlock.
pub(super) const NEW_RATE: &str = "
    INSERT INTO rate_budget (name, given_until) VALUES (?, 0)
    ON DUPLICATE KEY UPDATE given_until = given_until";

/// The rate's name.
pub(super) const RATE_GIVEN: &str = "SELECT given_until FROM rate_budget WHERE name = ?";

/// The instant up to which the rate is given away now, and the rate's name.
pub(super) const RATE_TAKEN: &str = concat!(
    "UPDATE rate_budget SET given_until = ? WHERE name = ?",
    stands!()
);

/// Keys. The keys that are taken, by rows that are committed or ours.
pub(super) const TAKEN_KEYS: &str = "
    SELECT c.idempotency_key
    FROM JSON_TABLE(?, '$[*]' COLUMNS (
        idempotency_key VARCHAR(512) CHARACTER SET utf8mb4 PATH '$'
    )) AS named
    STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (idempotency_key_is_unique)
        ON c.idempotency_key = named.idempotency_key";

/// Contacts: `NewContact`. Numbers come in a type that holds more than the table's: the table
/// refuses a number that is too large, and it is not cut off on the way. Long texts come in the
/// table's very type: MariaDB copies a longer one into a shorter modulo its length, without an
/// error.
pub(super) const INSERT_CONTACTS: &str = concat!(
    "INSERT INTO contact_outbox (user_id, task_id, phone, name, email, company, sex, sort, source_id,
        industry_id, grade_id, components, custom_vars, extra, sub_user_id, control_select_robot,
        ignore_crm, skip_error, number_add_suffix, encryption, phone_mask, idempotency_key,
        not_before)
    SELECT user_id, task_id, phone, name, email, company, sex, COALESCE(sort, 0), source_id,
        industry_id, grade_id, components, custom_vars, extra, sub_user_id, control_select_robot,
        ignore_crm, skip_error, number_add_suffix, encryption, phone_mask, idempotency_key,
        not_before
    FROM JSON_TABLE(?, '$[*]' COLUMNS (
        user_id LONGTEXT CHARACTER SET utf8mb4 PATH '$.user_id',
        task_id LONGTEXT CHARACTER SET utf8mb4 PATH '$.task_id',
        phone LONGTEXT CHARACTER SET utf8mb4 PATH '$.phone',
        name LONGTEXT CHARACTER SET utf8mb4 PATH '$.name',
        email LONGTEXT CHARACTER SET utf8mb4 PATH '$.email',
        company LONGTEXT CHARACTER SET utf8mb4 PATH '$.company',
        sex BIGINT PATH '$.sex',
        sort BIGINT PATH '$.sort',
        source_id BIGINT PATH '$.source_id',
        industry_id BIGINT PATH '$.industry_id',
        grade_id BIGINT PATH '$.grade_id',
        components LONGTEXT CHARACTER SET utf8mb4 PATH '$.components',
        custom_vars LONGTEXT CHARACTER SET utf8mb4 PATH '$.custom_vars',
        extra LONGTEXT CHARACTER SET utf8mb4 PATH '$.extra',
        sub_user_id LONGTEXT CHARACTER SET utf8mb4 PATH '$.sub_user_id',
        control_select_robot LONGTEXT CHARACTER SET utf8mb4 PATH '$.control_select_robot',
        ignore_crm BOOLEAN PATH '$.ignore_crm',
        skip_error BOOLEAN PATH '$.skip_error',
        number_add_suffix BOOLEAN PATH '$.number_add_suffix',
        encryption BOOLEAN PATH '$.encryption',
        phone_mask LONGTEXT CHARACTER SET utf8mb4 PATH '$.phone_mask',
        idempotency_key LONGTEXT CHARACTER SET utf8mb4 PATH '$.idempotency_key',
        not_before LONGTEXT CHARACTER SET utf8mb4 PATH '$.not_before'
    )) AS added
    WHERE true",
    stands!()
);

/// The columns for the platform's words that cannot hold all of them, and the columns of names
/// whose collation takes two names for one.
pub(super) const COLLATIONS: &str = "
    SELECT GROUP_CONCAT(k.TABLE_NAME, '.', k.COLUMN_NAME, ' is ', k.COLLATION_NAME
        ORDER BY k.TABLE_NAME, k.COLUMN_NAME SEPARATOR ', ') AS others
    FROM information_schema.COLUMNS AS k
    WHERE k.TABLE_SCHEMA = DATABASE()
      AND (k.CHARACTER_SET_NAME <> 'utf8mb4'
        AND (k.TABLE_NAME IN ('contact_outbox', 'contact_requeue') AND k.COLUMN_NAME = 'fail_cause'
          OR k.TABLE_NAME = 'delivery_lane' AND k.COLUMN_NAME = 'hold_message'
          OR k.TABLE_NAME = 'delivery_batch' AND k.COLUMN_NAME = 'answer')
      OR RIGHT(k.COLLATION_NAME, 4) <> '_bin'
        AND k.TABLE_NAME IN ('contact_outbox', 'delivery_lane', 'delivery_batch', 'delivery_pause',
          'delivery_resume')
        AND k.COLUMN_NAME IN ('user_id', 'task_id', 'idempotency_key', 'status'))";

/// The facts that decide whether and how the courier can work with the server. `SELECT @@…` would
/// fail where one of them no longer exists.
pub(super) const FACTS: &str = "
    SHOW GLOBAL VARIABLES WHERE Variable_name IN
        ('version', 'max_allowed_packet', 'max_prepared_stmt_count', 'log_bin', 'binlog_format')";

/// The cipher that encrypts this session; empty if there is none.
pub(super) const WHETHER_TLS: &str = "SHOW SESSION STATUS LIKE 'Ssl_cipher'";

/// The version of TLS that encrypts this session; empty if there is none.
pub(super) const PROTOCOL: &str = "SHOW SESSION STATUS LIKE 'Ssl_version'";

/// The server's record of this session's user.
pub(super) const USER: &str = "SHOW CREATE USER CURRENT_USER()";

/// Whether a commit is on the disk before it is reported.
pub(super) const DURABLE: &str = "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit = 1";

/// The statements that every database has.
pub(super) static STATEMENTS: Statements = Statements {
    beat: Statement::new(
        "INSERT INTO courier_instance (id, host, pid, lease_ms, standing) VALUES (?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE host = ?, pid = ?, lease_ms = ?, standing = ?,
             heartbeat_at = NOW(6)",
    )
    .with(&[1, 2, 3, 4, 5, 2, 3, 4, 5]),
    // Whether others see that the courier lives.
    alive: Some(concat!(
        "SELECT COUNT(*) FROM courier_instance AS me WHERE me.id = ? AND ",
        is_alive!("me.id")
    )),
    // The time when the row is looked at, not `NOW`: the statement may have waited for a heartbeat.
    bring_back_beats: "UPDATE courier_instance SET heartbeat_at = SYSDATE(6)
         WHERE heartbeat_at > SYSDATE(6) + INTERVAL 10 SECOND",
    bring_back_holds: Statement::new(
        "UPDATE delivery_lane
         SET held_until = LEAST(held_until, NOW(6) + INTERVAL ? * 1e6 MICROSECOND),
             held_since = LEAST(held_since, NOW(6)), waits_since = LEAST(waits_since, NOW(6))
         WHERE held_until > NOW(6) + INTERVAL ? * 1e6 MICROSECOND OR held_since > NOW(6)
            OR waits_since > NOW(6)",
    )
    .with(&[1, 1]),
    bring_back_failures: "UPDATE delivery_batch AS b FORCE INDEX (delivery_batch_open)
         SET b.failing_since = NOW(6)
         WHERE b.closed_at IS NULL AND b.failing_since > NOW(6)",
    clear_silent_instances: "DELETE FROM courier_instance
         WHERE heartbeat_at < NOW(6) - INTERVAL 1 DAY",
    keep_rate: Statement::new(
        "INSERT INTO rate_budget (name, given_until, learned, learned_at)
         VALUES ('learned', 0, ?, NOW(6))
         ON DUPLICATE KEY UPDATE learned = ?, learned_at = NOW(6)",
    )
    .with(&[1, 1]),
    learned_rate: concat!(
        "SELECT learned, ",
        seconds_since!("learned_at"),
        " AS learned_ago
         FROM rate_budget WHERE name = 'learned' AND learned IS NOT NULL"
    ),
    forget_rates: Statement::new(
        "DELETE FROM rate_budget
         WHERE name <> 'learned' AND given_until < (UNIX_TIMESTAMP(NOW(6)) - ?) * 1000000",
    ),
    free_lanes: "UPDATE delivery_lane SET lease_owner = NULL WHERE lease_owner = ?",
    remove_instance: "DELETE FROM courier_instance WHERE id = ?",
    // Writes only if the row is there [courier, user, task, courier].
    //
    // The token is the time in microseconds, and always greater than the last one. A failover may
    // lose leases; if tokens were only counted, the next owner would get one that a lost lease had.
    lease_lane: concat!(
        "UPDATE delivery_lane AS l FORCE INDEX (PRIMARY)
         SET l.lease_owner = ?, l.leased_at = NOW(6),
             l.lease_token = GREATEST(l.lease_token + 1,
                 CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED))
         WHERE l.user_id = ? AND l.task_id = ?
           AND (l.held_until > NOW(6) OR (l.lease_owner <> ? AND ",
        is_alive!("l.lease_owner"),
        ")) IS NOT TRUE"
    ),
    // Assignments take effect from left to right.
    adopt_batches: Statement::new(concat!(
        "UPDATE delivery_batch AS b FORCE INDEX (delivery_batch_open)
         SET b.lease_token = ?, b.maybe_delivered = b.maybe_delivered OR b.state = 'sending',
             b.state = 'waiting'
         WHERE b.closed_at IS NULL AND b.user_id = ? AND b.task_id = ?",
        stands!()
    ))
    .with(&[3, 1, 2]),
    open_entries: Some(concat!(
        "SELECT b.id, b.lease_token, b.parent_id, b.contact_ids, b.options, b.attempts,
             b.maybe_delivered, ",
        seconds_since!("b.failing_since"),
        " AS failing_for
         FROM delivery_batch AS b FORCE INDEX (delivery_batch_open)
         WHERE b.closed_at IS NULL AND b.user_id = ? AND b.task_id = ?
         ORDER BY b.created_at, b.id"
    )),
    pending_rows: Statement::new(concat!(
        "SELECT ",
        row_columns!(),
        " FROM ",
        contact_ids!(),
        " AS named STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = named.id
          WHERE c.status = 'pending'"
    ))
    .with(&[
        3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 1,
    ]),
    lift_holds: "UPDATE delivery_lane
         SET held_until = NULL, hold_reason = NULL, hold_message = NULL, held_since = NULL
         WHERE hold_reason = ?",
    release_lane: "UPDATE delivery_lane SET lease_owner = NULL
         WHERE user_id = ? AND task_id = ? AND lease_token = ?",
    // An id that does not fit comes out negative, but still changes.
    newest: "SELECT CAST(coalesce(max(id), 0) AS SIGNED) FROM contact_outbox",
    newest_lanes: "
        SELECT user_id, task_id FROM contact_outbox AS c FORCE INDEX (PRIMARY)
        WHERE c.id > ? AND c.id <= ? AND c.status = 'pending'
          AND (c.not_before IS NULL OR c.not_before <= NOW(6))
        ORDER BY c.id DESC LIMIT 256",
    // Reads the pending part of the index from end to end.
    backlog: concat!(
        "WITH lane AS (
             SELECT c.user_id, c.task_id,
                 SUM(c.not_before IS NULL OR c.not_before <= NOW(6)) AS due,
                 SUM(c.not_before IS NOT NULL AND c.not_before > NOW(6)) AS deferred
             FROM ",
        pending!(),
        "    WHERE c.status = 'pending' GROUP BY c.user_id, c.task_id
         ), classed AS (
             SELECT lane.due AS contacts,
                 CASE WHEN ",
        is_paused!("lane"),
        " THEN 'paused'
                      WHEN l.held_until > NOW(6) THEN 'held'
                      WHEN l.lease_owner <> ? AND ",
        is_alive!("l.lease_owner"),
        " THEN 'elsewhere'
                      ELSE 'due' END AS class,
                 CASE WHEN l.held_until > NOW(6)
                      THEN COALESCE(NULLIF(l.hold_message, ''), l.hold_reason) END AS because
             FROM lane LEFT JOIN delivery_lane AS l FORCE INDEX (PRIMARY)
                 ON l.user_id = lane.user_id AND l.task_id = lane.task_id
             WHERE lane.due > 0
             UNION ALL
             SELECT SUM(lane.deferred), 'deferred', NULL FROM lane
         )
         SELECT class, because, CAST(COALESCE(SUM(contacts), 0) AS SIGNED) AS contacts
         FROM classed GROUP BY class, because ORDER BY 3 DESC"
    ),
    // The rows are locked in the order of the list, which is the order of lanes, and for writing at
    // once: a shared lock that is raised later would deadlock with another one.
    lock_lanes: concat!(
        "SELECT l.user_id, l.task_id, l.lease_token
         FROM ",
        lanes!(),
        " AS named STRAIGHT_JOIN delivery_lane AS l FORCE INDEX (PRIMARY)
             ON l.user_id = named.user_id AND l.task_id = named.task_id
         FOR UPDATE /*!80001 OF l */"
    ),
    find_batches: "SELECT b.id, b.lease_token, b.closed_at IS NOT NULL AS closed
         FROM JSON_TABLE(?, '$[*]' COLUMNS (id CHAR(36) CHARACTER SET utf8mb4 PATH '$')) AS named
         STRAIGHT_JOIN delivery_batch AS b FORCE INDEX (PRIMARY) ON b.id = named.id",
    // Besides the batches it takes the rows of those that are about to be sent (`plan::Departing`).
    // The lane and the rows are checked in this statement, which runs where writes run: a read may
    // run on a replica that lags behind.
    open_batches: concat!(
        "INSERT INTO delivery_batch (id, parent_id, user_id, task_id, lease_token, contact_ids,
             options, state, attempts, maybe_delivered, sent_at)
         SELECT o.id, o.parent_id, o.user_id, o.task_id, o.lease_token, o.contact_ids,
             o.options, o.state, o.attempts, o.maybe_delivered,
             CASE o.state WHEN 'sending' THEN NOW(6) END
         FROM JSON_TABLE(?, '$[*]' COLUMNS (
             id CHAR(36) CHARACTER SET utf8mb4 PATH '$.id',
             parent_id CHAR(36) CHARACTER SET utf8mb4 PATH '$.parent_id',
             user_id VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.user_id',
             task_id VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.task_id',
             lease_token BIGINT PATH '$.lease_token',
             contact_ids LONGTEXT CHARACTER SET utf8mb4 PATH '$.contact_ids',
             options LONGTEXT CHARACTER SET utf8mb4 PATH '$.options',
             state VARCHAR(16) CHARACTER SET utf8mb4 PATH '$.state',
             attempts INT PATH '$.attempts',
             maybe_delivered BOOLEAN PATH '$.maybe_delivered'
         )) AS o
         STRAIGHT_JOIN delivery_lane AS l FORCE INDEX (PRIMARY)
             ON l.user_id = o.user_id AND l.task_id = o.task_id AND l.lease_token = o.lease_token
         LEFT JOIN (
             SELECT DISTINCT named.id
             FROM JSON_TABLE(?, '$[*]' COLUMNS (
                 id CHAR(36) CHARACTER SET utf8mb4 PATH '$.id',
                 NESTED PATH '$.contacts[*]'
                     COLUMNS (nth FOR ORDINALITY, contact BIGINT UNSIGNED PATH '$')
             )) AS named
             LEFT JOIN contact_outbox AS c FORCE INDEX (PRIMARY)
                 ON c.id = named.contact AND c.status = 'pending'
             WHERE named.nth IS NOT NULL AND c.id IS NULL
         ) AS stale ON stale.id = o.id
         WHERE stale.id IS NULL",
        stands!(),
        "
         ON DUPLICATE KEY UPDATE delivery_batch.id = delivery_batch.id"
    ),
    sending_batches: "SELECT b.id
         FROM JSON_TABLE(?, '$[*]' COLUMNS (id CHAR(36) CHARACTER SET utf8mb4 PATH '$')) AS named
         STRAIGHT_JOIN delivery_batch AS b FORCE INDEX (PRIMARY) ON b.id = named.id
         WHERE b.state = 'sending'",
    stale_rows: "SELECT CAST(named.id AS SIGNED)
         FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT UNSIGNED PATH '$')) AS named
         LEFT JOIN contact_outbox AS c FORCE INDEX (PRIMARY)
             ON c.id = named.id AND c.status = 'pending'
         WHERE c.id IS NULL",
    postpone_batches: Statement::new(concat!(
        "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
            id CHAR(36) CHARACTER SET utf8mb4 PATH '$.id',
            attempts INT PATH '$.attempts',
            maybe_delivered BOOLEAN PATH '$.maybe_delivered',
            failing BOOLEAN PATH '$.failing',
            outcome VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.outcome',
            answer LONGTEXT CHARACTER SET utf8mb4 PATH '$.answer'
        )) AS p STRAIGHT_JOIN delivery_batch AS b FORCE INDEX (PRIMARY) ON b.id = p.id
        SET b.state = 'waiting', b.attempts = p.attempts,
            b.maybe_delivered = b.maybe_delivered OR p.maybe_delivered,
            b.failing_since = CASE WHEN p.failing THEN COALESCE(b.failing_since, NOW(6)) END,
            b.outcome = COALESCE(p.outcome, b.outcome), b.answer = COALESCE(p.answer, b.answer)
        WHERE true",
        stands!()
    )),
    resend_batches: Statement::new(concat!(
        "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
            id CHAR(36) CHARACTER SET utf8mb4 PATH '$.id',
            attempts INT PATH '$.attempts'
        )) AS r STRAIGHT_JOIN delivery_batch AS b FORCE INDEX (PRIMARY) ON b.id = r.id
        SET b.state = 'sending', b.attempts = r.attempts, b.sent_at = NOW(6)
        WHERE true",
        stands!()
    )),
    close_batches: Statement::new(concat!(
        "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
            id CHAR(36) CHARACTER SET utf8mb4 PATH '$.id',
            attempts INT PATH '$.attempts',
            outcome VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.outcome',
            answer LONGTEXT CHARACTER SET utf8mb4 PATH '$.answer'
        )) AS d STRAIGHT_JOIN delivery_batch AS b FORCE INDEX (PRIMARY) ON b.id = d.id
        SET b.state = 'closed', b.closed_at = NOW(6), b.attempts = d.attempts,
            b.outcome = d.outcome, b.answer = d.answer
        WHERE true",
        stands!()
    )),
    settle_successes: concat!(
        "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT UNSIGNED PATH '$')) AS s
            STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = s.id
        SET c.status = 'succeeded', c.attempts = c.attempts + ?, c.batch_id = ?,
            c.finished_at = NOW(6)
        WHERE c.status = 'pending'",
        stands!()
    ),
    settle_failures: Statement::new(concat!(
        "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
            id BIGINT UNSIGNED PATH '$.id',
            attempts INT PATH '$.attempts',
            batch_id CHAR(36) CHARACTER SET utf8mb4 PATH '$.batch_id',
            fail_kind VARCHAR(16) CHARACTER SET utf8mb4 PATH '$.fail_kind',
            fail_cause LONGTEXT CHARACTER SET utf8mb4 PATH '$.fail_cause'
        )) AS s STRAIGHT_JOIN contact_outbox AS c FORCE INDEX (PRIMARY) ON c.id = s.id
        SET c.status = 'failed', c.fail_kind = s.fail_kind, c.fail_cause = s.fail_cause,
            c.attempts = c.attempts + s.attempts, c.batch_id = COALESCE(s.batch_id, c.batch_id),
            c.finished_at = NOW(6)
        WHERE c.status = 'pending'",
        stands!()
    )),
    // `held_since` looks at the reason that is about to be replaced, so it comes first.
    change_lanes: Statement::new(concat!(
        "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
            user_id VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.user_id',
            task_id VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.task_id',
            failures INT PATH '$.failures',
            delay DOUBLE PATH '$.delay',
            reason VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.reason',
            message LONGTEXT CHARACTER SET utf8mb4 PATH '$.message',
            needs_person BOOLEAN PATH '$.needs_person'
        )) AS h STRAIGHT_JOIN delivery_lane AS l FORCE INDEX (PRIMARY)
            ON l.user_id = h.user_id AND l.task_id = h.task_id
        SET l.held_since = CASE
                WHEN h.reason IS NULL THEN NULL
                WHEN l.hold_reason = h.reason THEN COALESCE(l.held_since, NOW(6))
                ELSE NOW(6)
            END,
            l.waits_since = CASE
                WHEN h.reason IS NULL THEN NULL
                WHEN h.needs_person THEN COALESCE(l.waits_since, NOW(6))
                ELSE l.waits_since
            END,
            l.failures = h.failures, l.held_until = NOW(6) + INTERVAL h.delay * 1e6 MICROSECOND,
            l.hold_reason = h.reason, l.hold_message = h.message
        WHERE true",
        stands!()
    )),
};

/// The statements that run all day, for the test that looks at their plans.
pub(super) static HOT: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let own = [
        ("rows_ahead", ROWS_AHEAD),
        ("batches_ahead", BATCHES_AHEAD),
        ("ripen_lanes", RIPEN_LANES),
        ("leased", LEASED),
        ("read_deferred", READ_DEFERRED.sql),
        ("read_immediate", READ_IMMEDIATE.sql),
        ("fence_lanes", FENCE_LANES),
        ("rows", ROWS),
        ("free_rows", FREE_ROWS),
        ("unwritten", UNWRITTEN),
        ("rate_asked", RATE_ASKED),
        ("new_rate", NEW_RATE),
        ("rate_given", RATE_GIVEN),
        ("rate_taken", RATE_TAKEN),
        ("taken_keys", TAKEN_KEYS),
    ];
    hot(&STATEMENTS, &operating::OPERATING, &erasing::ERASING, &own)
});

/// The variables that keep the server, or this session, from taking writes. MySQL and MariaDB, old
/// and new, know some of them each. A Galera node shows this and sets variables even while it
/// refuses everything else.
pub(super) const TAKES_WRITES: &str = "
    SHOW VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', 'innodb_read_only',
        'tx_read_only', 'transaction_read_only', 'log_bin', 'binlog_format', 'wsrep_on',
        'wsrep_provider', 'wsrep_reject_queries', 'group_replication_group_name');
    SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_status', 'wsrep_ready')";

/// The number of members of this server's group, and of those that it does not reach. Only who may read
/// `performance_schema.replication_group_members` learns it.
pub(super) const MEMBERS: &str = "
    SELECT CAST(COUNT(*) AS SIGNED),
        CAST(COALESCE(SUM(MEMBER_STATE = 'UNREACHABLE'), 0) AS SIGNED)
    FROM performance_schema.replication_group_members";
