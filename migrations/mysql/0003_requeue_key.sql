-- A key for each row of contact_requeue, where migration 2 made the table without one: a cluster does
-- not change rows that have none.
--
-- Where each node of a cluster, or each replica, does this by itself, it counts the rows in the order
-- in which they lie there. So they are laid into one order first, unless the server lets nothing be done
-- to a table without a key but to give it one.
SET @keyless = (SELECT count(*) = 0 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'contact_requeue' AND index_name = 'PRIMARY');
SET @sortable = @keyless
    /*M!100100 AND NOT @@innodb_force_primary_key */ /*!80013 AND NOT @@sql_require_primary_key */;
SET @alter = IF(@sortable,
    'ALTER TABLE contact_requeue ORDER BY contact_id, requeued_at, finished_at, attempts, batch_id',
    'DO 0');
PREPARE alter_requeue FROM @alter;
EXECUTE alter_requeue;
SET @alter = IF(@keyless,
    'ALTER TABLE contact_requeue
        ADD COLUMN id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY FIRST',
    'DO 0');
PREPARE alter_requeue FROM @alter;
EXECUTE alter_requeue;
DEALLOCATE PREPARE alter_requeue;
