//! Obstacles that keep a courier from writing without an error: triggers, as an app's database may
//! have them.

use super::{Db, Raw};

impl Db {
    /// From now on every UPDATE of the table leaves its rows as they were and reports no error. The
    /// trigger skips the row, or, on MySQL, where none can, it puts the old values back.
    pub(crate) async fn obstruct_updates(&self, table: &str) {
        let sql = match &self.raw {
            Raw::Sqlite(_) => format!(
                "CREATE TRIGGER obstacle_{table} BEFORE UPDATE ON {table}
                 BEGIN SELECT RAISE(IGNORE); END"
            ),
            Raw::Postgres(_) => postgres_trigger(table, "UPDATE", "RETURN NULL;"),
            Raw::MySql(_) => {
                let columns: &[&str] = match table {
                    "contact_outbox" => &["status", "fail_kind", "finished_at"],
                    "delivery_batch" => &["state", "closed_at"],
                    _ => &["hold_reason"],
                };
                let back: Vec<String> = columns
                    .iter()
                    .map(|column| format!("NEW.{column} = OLD.{column}"))
                    .collect();
                format!(
                    "CREATE TRIGGER obstacle_{table} BEFORE UPDATE ON {table}
                     FOR EACH ROW SET {}",
                    back.join(", ")
                )
            }
        };
        self.execute(&sql).await;
    }

    /// From now on every INSERT into the table is skipped, which no trigger of MySQL can do.
    pub(crate) async fn obstruct_inserts(&self, table: &str) {
        let sql = match &self.raw {
            Raw::Sqlite(_) => format!(
                "CREATE TRIGGER obstacle_{table} BEFORE INSERT ON {table}
                 BEGIN SELECT RAISE(IGNORE); END"
            ),
            Raw::Postgres(_) => postgres_trigger(table, "INSERT", "RETURN NULL;"),
            Raw::MySql(_) => panic!("no trigger of MySQL's skips a row"),
        };
        self.execute(&sql).await;
    }

    /// From now on every UPDATE of the table puts the old values back (PostgreSQL).
    pub(crate) async fn restore_at_updates(&self, table: &str) {
        self.execute(&postgres_trigger(table, "UPDATE", "RETURN OLD;"))
            .await;
    }

    /// From now on a trigger behind every UPDATE of the contacts makes them pending again, which no
    /// trigger of MySQL can do.
    pub(crate) async fn restore_behind_updates(&self) {
        let restore = "UPDATE contact_outbox
             SET status = 'pending', fail_kind = NULL, fail_cause = NULL, finished_at = NULL
             WHERE id = NEW.id";
        let sql = match &self.raw {
            Raw::Sqlite(_) => format!(
                "CREATE TRIGGER obstacle_contact_outbox AFTER UPDATE ON contact_outbox
                 WHEN NEW.status <> 'pending' BEGIN {restore}; END"
            ),
            Raw::Postgres(_) => format!(
                "CREATE FUNCTION obstacle_contact_outbox() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN {restore}; RETURN NULL; END $$;
                 CREATE TRIGGER obstacle_contact_outbox AFTER UPDATE ON contact_outbox
                     FOR EACH ROW WHEN (NEW.status <> 'pending')
                     EXECUTE FUNCTION obstacle_contact_outbox()"
            ),
            Raw::MySql(_) => panic!("no trigger of MySQL's changes its own table"),
        };
        self.execute(&sql).await;
    }

    /// From now on every UPDATE of the table is refused with an error of the app's own.
    pub(crate) async fn refuse_updates(&self, table: &str) {
        let sql = match &self.raw {
            Raw::Sqlite(_) => format!(
                "CREATE TRIGGER obstacle_{table} BEFORE UPDATE ON {table}
                 BEGIN SELECT RAISE(ABORT, 'hands off'); END"
            ),
            Raw::Postgres(_) => postgres_trigger(table, "UPDATE", "RAISE EXCEPTION 'hands off';"),
            Raw::MySql(_) => format!(
                "CREATE TRIGGER obstacle_{table} BEFORE UPDATE ON {table} FOR EACH ROW
                 SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'hands off'"
            ),
        };
        self.execute(&sql).await;
    }

    /// From now on every such statement (INSERT, UPDATE) on the contacts is refused with an error of the
    /// app's own that quotes the number.
    pub(crate) async fn refuse_by_number(&self, event: &str) {
        let table = "contact_outbox";
        let sql = match &self.raw {
            Raw::Sqlite(_) => format!(
                "CREATE TRIGGER obstacle_{table} BEFORE {event} ON {table}
                 BEGIN SELECT RAISE(ABORT, 'blocked ' || NEW.phone); END"
            ),
            Raw::Postgres(_) => {
                postgres_trigger(table, event, "RAISE EXCEPTION 'blocked %', NEW.phone;")
            }
            Raw::MySql(_) => format!(
                "CREATE TRIGGER obstacle_{table} BEFORE {event} ON {table} FOR EACH ROW
                 BEGIN
                     SET @blocked = CONCAT('blocked ', NEW.phone);
                     SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = @blocked;
                 END"
            ),
        };
        self.execute(&sql).await;
    }

    /// From now on every UPDATE of the contacts is refused because an app makes a number of what is none; SQLite
    /// takes anything for a number.
    pub(crate) async fn refuse_by_value(&self) {
        let table = "contact_outbox";
        let sql = match &self.raw {
            Raw::Sqlite(_) => panic!("SQLite refuses no such value"),
            Raw::Postgres(_) => postgres_trigger(table, "UPDATE", "PERFORM NEW.phone::integer;"),
            Raw::MySql(_) => format!(
                "CREATE TABLE digits (phone double);
                 CREATE TRIGGER obstacle_{table} BEFORE UPDATE ON {table} FOR EACH ROW
                 INSERT INTO digits VALUES (CONCAT(NEW.phone, '-') + 0)"
            ),
        };
        self.execute(&sql).await;
    }

    /// From now on the end of each transaction puts back how its contacts had ended (PostgreSQL).
    pub(crate) async fn restore_at_commit(&self) {
        let body = "UPDATE contact_outbox SET status = OLD.status, fail_kind = OLD.fail_kind,
             fail_cause = OLD.fail_cause, finished_at = OLD.finished_at
             WHERE id = NEW.id; RETURN NULL;";
        self.execute(&deferred_trigger("contact_outbox", body))
            .await;
    }

    /// From now on the end of each transaction that has changed a row of the table is refused
    /// (PostgreSQL).
    pub(crate) async fn refuse_at_commit(&self, table: &str) {
        let body = "RAISE EXCEPTION 'hands off';";
        self.execute(&deferred_trigger(table, body)).await;
    }

    /// Removes the triggers of the table.
    pub(crate) async fn clear(&self, table: &str) {
        let on = match &self.raw {
            Raw::Postgres(_) => format!(" ON {table}"),
            Raw::Sqlite(_) | Raw::MySql(_) => String::new(),
        };
        self.execute(&format!("DROP TRIGGER obstacle_{table}{on}"))
            .await;
    }
}

fn postgres_trigger(table: &str, event: &str, body: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION obstacle_{table}() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN {body} END $$;
         CREATE TRIGGER obstacle_{table} BEFORE {event} ON {table}
             FOR EACH ROW EXECUTE FUNCTION obstacle_{table}()"
    )
}

/// A trigger that waits for the end of the transaction. It does not follow its own changes.
fn deferred_trigger(table: &str, body: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION obstacle_{table}() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN {body} END $$;
         CREATE CONSTRAINT TRIGGER obstacle_{table} AFTER UPDATE ON {table}
             DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION obstacle_{table}()"
    )
}
