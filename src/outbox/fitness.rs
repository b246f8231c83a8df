//! Whether a database is one that the courier can work on, before it sends anything.

use super::OutboxError;

/// The one encoding of PostgreSQL that holds whatever the platform and apps may write. `SQL_ASCII` takes
/// any bytes for text, so that an app may write what nobody can read again; `EUC_CN` and the like
/// hold most of Chinese, and not what else may stand beside it.
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

/// Refuses a file of SQLite's that keeps texts in UTF-16: there the table's rules measure other bytes
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

/// Refuses columns of MySQL's whose character set cannot hold the platform's words.
pub(super) fn character_sets(columns: Option<String>) -> Result<(), OutboxError> {
    let Some(columns) = columns else {
        return Ok(());
    };
    Err(OutboxError::Unfit {
        found: format!("not all words of the platform's can be stored: {columns}"),
        todo: "ALTER TABLE ... CONVERT TO CHARACTER SET utf8mb4".into(),
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
}
