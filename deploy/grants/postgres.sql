-- What each user may do on PostgreSQL, as README.md#grants has it.
-- The owner of the tables runs it after each migration.

-- PostgreSQL 14 and older let everybody make tables; after this, the user who migrates needs a right of its own.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- Apps.
GRANT SELECT ON contact_outbox TO app;
GRANT INSERT (user_id, task_id, phone, name, email, company, sex, sort, source_id, industry_id,
    grade_id, components, custom_vars, extra, sub_user_id, control_select_robot, ignore_crm,
    skip_error, number_add_suffix, encryption, phone_mask, idempotency_key, not_before, created_at) ON contact_outbox TO app;

-- The courier: it writes the outcome of a contact, nothing else.
GRANT SELECT ON contact_courier_migrations, contact_outbox, contact_requeue TO courier;
GRANT UPDATE (status, fail_kind, fail_cause, attempts, batch_id, finished_at) ON contact_outbox TO courier;
GRANT SELECT, INSERT, UPDATE ON delivery_lane, delivery_batch, rate_budget, operator_action TO courier;
GRANT SELECT, INSERT, UPDATE, DELETE ON courier_instance TO courier;
GRANT SELECT ON delivery_pause, delivery_resume TO courier;
-- Only for `requeue`.
GRANT INSERT ON contact_requeue TO courier;
-- Only for `pause` and `resume`.
GRANT INSERT, UPDATE, DELETE ON delivery_pause TO courier;
GRANT INSERT, DELETE ON delivery_resume TO courier;
-- Only for `prune` and retention.older_than.
GRANT DELETE ON contact_outbox, contact_requeue, delivery_batch, operator_action, rate_budget TO courier;
-- Only for `erase` and retention.redact_after.
GRANT UPDATE (phone, name, email, company, sex, source_id, industry_id, grade_id, components, custom_vars,
    extra, sub_user_id, control_select_robot, phone_mask, idempotency_key, redacted_at) ON contact_outbox TO courier;
GRANT UPDATE (fail_cause) ON contact_requeue TO courier;
-- Only for `enqueue`.
GRANT INSERT ON contact_outbox TO courier;

-- Users who only look: `status`, `failures`, `explain`, `history`, `results`, `doctor`.
GRANT SELECT ON contact_courier_migrations, contact_outbox, contact_requeue TO viewer;
GRANT SELECT ON delivery_lane, delivery_batch, courier_instance, delivery_pause, operator_action TO viewer;
