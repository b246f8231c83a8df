-- What each user may do on MySQL and MariaDB, as README.md#grants has it.
-- The owner of the tables runs it after each migration.

-- Apps.
GRANT SELECT ON contact_outbox TO app;
GRANT INSERT (user_id, task_id, phone, name, email, company, sex, sort, source_id, industry_id,
    grade_id, components, custom_vars, extra, sub_user_id, control_select_robot, ignore_crm,
    skip_error, number_add_suffix, encryption, phone_mask, idempotency_key, not_before, created_at) ON contact_outbox TO app;

-- The courier: it writes the outcome of a contact, nothing else.
GRANT SELECT ON contact_courier_migrations TO courier;
GRANT SELECT ON contact_outbox TO courier;
GRANT SELECT ON contact_requeue TO courier;
GRANT UPDATE (status, fail_kind, fail_cause, attempts, batch_id, finished_at) ON contact_outbox TO courier;
GRANT SELECT, INSERT, UPDATE ON delivery_lane TO courier;
GRANT SELECT, INSERT, UPDATE ON delivery_batch TO courier;
GRANT SELECT, INSERT, UPDATE ON rate_budget TO courier;
GRANT SELECT, INSERT, UPDATE ON operator_action TO courier;
GRANT SELECT, INSERT, UPDATE, DELETE ON courier_instance TO courier;
GRANT SELECT ON delivery_pause TO courier;
GRANT SELECT ON delivery_resume TO courier;
-- Only for `requeue`.
GRANT INSERT ON contact_requeue TO courier;
-- Only for `pause` and `resume`.
GRANT INSERT, UPDATE, DELETE ON delivery_pause TO courier;
GRANT INSERT, DELETE ON delivery_resume TO courier;
-- Only for `prune` and retention.older_than.
GRANT DELETE ON contact_outbox TO courier;
GRANT DELETE ON contact_requeue TO courier;
GRANT DELETE ON delivery_batch TO courier;
GRANT DELETE ON operator_action TO courier;
GRANT DELETE ON rate_budget TO courier;
-- Only for `erase` and retention.redact_after.
GRANT UPDATE (phone, name, email, company, sex, source_id, industry_id, grade_id, components, custom_vars,
    extra, sub_user_id, control_select_robot, phone_mask, idempotency_key, redacted_at) ON contact_outbox TO courier;
GRANT UPDATE (fail_cause) ON contact_requeue TO courier;
-- Only for `enqueue`.
GRANT INSERT ON contact_outbox TO courier;

-- Users who only look: `status`, `failures`, `explain`, `history`, `results`, `doctor`.
GRANT SELECT ON contact_courier_migrations TO viewer;
GRANT SELECT ON contact_outbox TO viewer;
GRANT SELECT ON contact_requeue TO viewer;
GRANT SELECT ON delivery_lane TO viewer;
GRANT SELECT ON delivery_batch TO viewer;
GRANT SELECT ON courier_instance TO viewer;
GRANT SELECT ON delivery_pause TO viewer;
GRANT SELECT ON operator_action TO viewer;
