//! Lists as PostgreSQL takes them: one array for each column of the records, which `unnest` puts
//! together again.

use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments, Encode, Postgres, Type};

use crate::outbox::NewContact;
use crate::outbox::operations::Redacted;
use crate::outbox::plan::{Closed, Failed, LaneChanged, Opened, Postponed};
use crate::outbox::sql::value::List;

type Bound = Result<(), BoxDynError>;

/// Adds all columns of a list to the parameters of a statement.
pub(super) fn bind(parameters: &mut PgArguments, list: &List<'_>) -> Bound {
    match list {
        List::Contacts(ids) => parameters.add(*ids),
        List::Batches(ids) => parameters.add(*ids),
        List::Texts(texts) => parameters.add(*texts),
        List::Lanes(lanes) => {
            column(parameters, lanes, |lane| lane.user_id)?;
            column(parameters, lanes, |lane| lane.task_id)
        }
        List::Opened(batches) => opened(parameters, batches),
        List::Postponed(batches) => postponed(parameters, batches),
        List::Resent(batches) => {
            column(parameters, batches, |batch| batch.id)?;
            column(parameters, batches, |batch| batch.attempts)
        }
        List::Closed(batches) => closed(parameters, batches),
        List::Failed(rows) => failed(parameters, rows),
        List::LanesChanged(lanes) => lanes_changed(parameters, lanes),
        List::NewContacts(contacts) => new_contacts(parameters, contacts),
        List::Redacted(rows) => redacted(parameters, rows),
    }
}

fn column<'a, R, T>(
    parameters: &mut PgArguments,
    records: &'a [R],
    value: impl Fn(&'a R) -> T,
) -> Bound
where
    Vec<T>: Encode<'a, Postgres> + Type<Postgres>,
{
    parameters.add(records.iter().map(value).collect::<Vec<T>>())
}

fn opened(parameters: &mut PgArguments, batches: &[Opened<'_>]) -> Bound {
    // PostgreSQL writes an array as `{1,2}` where JSON writes `[1,2]`.
    let as_array = |json: &str| json.replace('[', "{").replace(']', "}");
    column(parameters, batches, |batch| batch.id)?;
    column(parameters, batches, |batch| batch.parent_id)?;
    column(parameters, batches, |batch| batch.user_id)?;
    column(parameters, batches, |batch| batch.task_id)?;
    column(parameters, batches, |batch| batch.lease_token)?;
    column(parameters, batches, |batch| as_array(&batch.contact_ids))?;
    column(parameters, batches, |batch| batch.options.as_str())?;
    column(parameters, batches, |batch| batch.state)?;
    column(parameters, batches, |batch| batch.attempts)?;
    column(parameters, batches, |batch| batch.maybe_delivered)
}

fn postponed(parameters: &mut PgArguments, batches: &[Postponed<'_>]) -> Bound {
    column(parameters, batches, |batch| batch.id)?;
    column(parameters, batches, |batch| batch.attempts)?;
    column(parameters, batches, |batch| batch.maybe_delivered)?;
    column(parameters, batches, |batch| batch.failing)?;
    column(parameters, batches, |batch| batch.outcome)?;
    column(parameters, batches, |batch| batch.answer.as_deref())
}

fn closed(parameters: &mut PgArguments, batches: &[Closed<'_>]) -> Bound {
    column(parameters, batches, |batch| batch.id)?;
    column(parameters, batches, |batch| batch.attempts)?;
    column(parameters, batches, |batch| batch.outcome)?;
    column(parameters, batches, |batch| batch.answer.as_str())
}

fn failed(parameters: &mut PgArguments, rows: &[Failed<'_>]) -> Bound {
    column(parameters, rows, |row| row.id)?;
    column(parameters, rows, |row| row.attempts)?;
    column(parameters, rows, |row| row.batch_id)?;
    column(parameters, rows, |row| row.fail_kind)?;
    column(parameters, rows, |row| row.fail_cause.as_str())
}

fn redacted(parameters: &mut PgArguments, rows: &[Redacted]) -> Bound {
    column(parameters, rows, |row| row.id)?;
    column(parameters, rows, |row| row.phone.as_str())?;
    column(parameters, rows, |row| row.sub_user_id.as_deref())?;
    column(parameters, rows, |row| row.fail_cause.as_deref())?;
    column(parameters, rows, |row| row.idempotency_key.as_deref())
}

fn lanes_changed(parameters: &mut PgArguments, lanes: &[LaneChanged<'_>]) -> Bound {
    column(parameters, lanes, |lane| lane.user_id)?;
    column(parameters, lanes, |lane| lane.task_id)?;
    column(parameters, lanes, |lane| lane.failures)?;
    column(parameters, lanes, |lane| lane.delay)?;
    column(parameters, lanes, |lane| lane.reason)?;
    column(parameters, lanes, |lane| lane.message.as_deref())?;
    column(parameters, lanes, |lane| lane.needs_person)
}

fn new_contacts(parameters: &mut PgArguments, contacts: &[NewContact]) -> Bound {
    column(parameters, contacts, |c| c.user_id.as_str())?;
    column(parameters, contacts, |c| c.task_id.as_str())?;
    column(parameters, contacts, |c| c.phone.as_str())?;
    column(parameters, contacts, |c| c.name.as_deref())?;
    column(parameters, contacts, |c| c.email.as_deref())?;
    column(parameters, contacts, |c| c.company.as_deref())?;
    column(parameters, contacts, |c| c.sex)?;
    column(parameters, contacts, |c| c.sort)?;
    column(parameters, contacts, |c| c.source_id)?;
    column(parameters, contacts, |c| c.industry_id)?;
    column(parameters, contacts, |c| c.grade_id)?;
    column(parameters, contacts, |c| c.components.as_deref())?;
    column(parameters, contacts, |c| c.custom_vars.as_deref())?;
    column(parameters, contacts, |c| c.extra.as_deref())?;
    column(parameters, contacts, |c| c.sub_user_id.as_deref())?;
    column(parameters, contacts, |c| c.control_select_robot.as_deref())?;
    column(parameters, contacts, |c| c.ignore_crm)?;
    column(parameters, contacts, |c| c.skip_error)?;
    column(parameters, contacts, |c| c.number_add_suffix)?;
    column(parameters, contacts, |c| c.encryption)?;
    column(parameters, contacts, |c| c.phone_mask.as_deref())?;
    column(parameters, contacts, |c| c.idempotency_key.as_deref())?;
    column(parameters, contacts, |c| c.not_before.as_deref())
}
