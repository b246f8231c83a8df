//! Checks, before anything is sent, whether the courier can work on a database.

use super::OutboxError;

/// The one encoding of PostgreSQL that holds everything that the platform and apps may write.
/// `SQL_ASCII` takes any bytes for text, so an app may write bytes that nobody can read again.
/// `EUC_CN` and the like hold most of Chinese, and not all other characters beside it.
const UTF8: &str = "UTF8";

/// Refuses an encoding of PostgreSQL in which outcomes could not be written.
pub(super) fn encoding(found: &str) -> Result<(), OutboxError> {
    if found.eq_ignore_ascii_case(UTF8) {
        return Ok(());
    }
    Err(OutboxError::Unfit {
        found: format!(
            "the database's encoding is {found}, which does not hold all words of the platform's"
        ),
        todo: "make a database WITH ENCODING 'UTF8' TEMPLATE template0, and have the outbox there"
            .into(),
    })
}

/// Refuses an SQLite file that keeps texts in UTF-16: there the table's rules measure other bytes
/// and would refuse every row.
pub(super) fn encoding_of_file(found: &str) -> Result<(), OutboxError> {
    if found == "UTF-8" {
        return Ok(());
    }
    Err(OutboxError::Unfit {
        found: format!("the file's encoding is {found}, in which the outbox's rules do not work"),
        todo: "use a file of its own, or one whose PRAGMA encoding is UTF-8".into(),
    })
}

/// Refuses row policies that are in force for the courier.
pub(super) fn row_security(tables: Option<String>, role: &str) -> Result<(), OutboxError> {
    let Some(tables) = tables else {
        return Ok(());
    };
    Err(OutboxError::Unfit {
        found: format!(
            "row security is in force for {role} on {tables}: what a policy hides from the courier \
             it cannot settle"
        ),
        todo: format!(
            "exempt it (ALTER ROLE {role} BYPASSRLS) or the table (ALTER TABLE ... DISABLE ROW LEVEL \
             SECURITY)"
        ),
    })
}

/// Refuses sessions in which some of the requested settings do not hold.
pub(super) fn settings(dropped: &[(&str, &str)], role: &str) -> Result<(), OutboxError> {
    if dropped.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = dropped.iter().map(|(name, _)| *name).collect();
    Err(OutboxError::Unfit {
        found: format!(
            "a pooler such as PgBouncer drops settings of the courier's sessions ({})",
            names.join(", ")
        ),
        todo: format!(
            "give them to the role, and have the pooler connect anew (RECONNECT): {}",
            for_role(dropped, role)
        ),
    })
}

/// Refuses sessions in which a setting of the address does not hold: its outbox may be another one.
pub(super) fn setting_of_address(name: &str, wanted: &str, found: &str, role: &str) -> OutboxError {
    // A list of names in quotes would be one name.
    let value = if name == "search_path" {
        let quoted = |schema: &str| format!("\"{}\"", schema.trim().trim_matches('"'));
        let schemas: Vec<String> = wanted.split(',').map(quoted).collect();
        schemas.join(", ")
    } else {
        format!("'{}'", wanted.replace('\'', "''"))
    };
    OutboxError::Unfit {
        found: format!(
            "a pooler such as PgBouncer drops the setting {name} of the address (it is {found:?}, and not \
             {wanted:?})"
        ),
        todo: format!(
            "give it to the role, and have the pooler connect anew (RECONNECT): ALTER ROLE {role} SET \
             {name} = {value}"
        ),
    }
}

/// A proxy that takes no settings with a connection, and cannot be told to ignore them.
pub(super) fn takes_no_options(words: &str) -> OutboxError {
    OutboxError::Unfit {
        found: format!("a proxy refuses the settings of the courier ({words})"),
        todo: "write the server's own address into database.url, or that of a PgBouncer, as \
               docs/operating.md says"
            .into(),
    }
}

/// A user whose kind of login this program does not know.
pub(super) fn unknown_login(kind: &str) -> OutboxError {
    OutboxError::Unfit {
        found: format!("the server wants this user to log in by {kind}, which this program cannot"),
        todo: "let the user log in by a password, or by another kind of it: scram-sha-256 on \
               PostgreSQL, caching_sha2_password on MySQL, mysql_native_password on MariaDB"
            .into(),
    }
}

/// A pooler that does not let a connection begin with settings.
pub(super) fn refuses_settings(words: &str) -> OutboxError {
    OutboxError::Unfit {
        found: format!("a pooler such as PgBouncer refuses the settings of the courier ({words})"),
        todo: "let it ignore them (ignore_startup_parameters = extra_float_digits,options in \
               pgbouncer.ini) and give them to the role, as docs/operating.md says"
            .into(),
    }
}

/// A proxy that sends reads to other servers than writes, in the middle of a session.
pub(super) fn splits_reads(words: &str) -> OutboxError {
    OutboxError::Unfit {
        found: format!("ProxySQL sends the courier's reads elsewhere ({words})"),
        todo: "exempt the courier's user from the read/write split, as docs/operating.md says"
            .into(),
    }
}

/// A pooler that sends a prepared statement to a session which does not know it.
pub(super) fn loses_statements(words: &str) -> OutboxError {
    OutboxError::Unfit {
        found: format!("a pooler such as PgBouncer loses prepared statements ({words})"),
        todo:
            "use PgBouncer 1.21 or newer with max_prepared_statements above 0, or its session mode"
                .into(),
    }
}

/// A pooler that knows no transactions.
pub(super) fn no_transactions(words: &str) -> OutboxError {
    OutboxError::Unfit {
        found: format!("a pooler such as PgBouncer allows no transactions ({words})"),
        todo: "set pool_mode = transaction, or session".into(),
    }
}

/// A pooler behind which the migration lock does not hold: couriers could migrate at the same time.
pub(super) fn no_lock() -> OutboxError {
    OutboxError::Unfit {
        found:
            "a pooler of transactions is in between, where the lock of a migration does not hold"
                .into(),
        todo: "migrate by way of the server's own address, or of a pooler in session mode".into(),
    }
}

/// The statement that gives settings to a role.
fn for_role(settings: &[(&str, &str)], role: &str) -> String {
    let statement =
        |(name, value): &(&str, &str)| format!("ALTER ROLE {role} SET {name} = '{value}'");
    let statements: Vec<String> = settings.iter().map(statement).collect();
    statements.join("; ")
}

/// Refuses columns of MySQL that cannot hold all of the platform's words, or that take two ids for
/// one.
pub(super) fn collations(columns: Option<String>) -> Result<(), OutboxError> {
    let Some(columns) = columns else {
        return Ok(());
    };
    Err(OutboxError::Unfit {
        found: format!(
            "the collation utf8mb4_bin is needed to tell ids apart and to hold all words: {columns}"
        ),
        todo: "ALTER TABLE ... CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utf8_holds_every_word() {
        assert!(encoding("UTF8").is_ok());
        for other in [
            "SQL_ASCII",
            "LATIN1",
            "EUC_CN",
            "EUC_JIS_2004",
            "WIN1252",
            "MULE_INTERNAL",
        ] {
            let said = encoding(other).unwrap_err().to_string();
            assert!(
                said.contains(other) && said.contains("ENCODING 'UTF8'"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_setting_of_the_address_is_given_to_the_role_as_sql_writes_it() {
        for (name, wanted, written) in [
            (
                "search_path",
                "$user, my-shop",
                r#"search_path = "$user", "my-shop""#,
            ),
            ("app.note", "it's", "app.note = 'it''s'"),
        ] {
            let said = setting_of_address(name, wanted, "", "courier").to_string();
            let todo = format!("ALTER ROLE courier SET {written}");
            assert!(said.ends_with(&todo), "{said}");
        }
    }

    #[test]
    fn a_proxy_that_splits_reads_from_writes_is_told_with_the_remedy() {
        let words = "connection is locked to hostgroup 10 but trying to reach hostgroup 20";
        let error = splits_reads(words);
        assert!(!error.is_transient());
        let said = error.to_string();
        for part in [words, "exempt the courier's user from the read/write split"] {
            assert!(said.contains(part), "{said}");
        }
    }
}
