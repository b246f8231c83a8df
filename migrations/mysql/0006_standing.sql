-- What a courier says of itself with each heartbeat, JSON: the gates that are closed, the rate that it
-- uses. For people; the program reads it leniently.
SET @missing = (SELECT count(*) = 0 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'courier_instance' AND column_name = 'standing');
SET @alter = IF(@missing,
    'ALTER TABLE courier_instance ADD COLUMN standing text NULL',
    'DO 0');
PREPARE alter_instance FROM @alter;
EXECUTE alter_instance;
DEALLOCATE PREPARE alter_instance;

-- What was learned of the rate that the platform allows, JSON, in the row 'learned'; a courier that
-- starts goes on from there.
SET @missing = (SELECT count(*) = 0 FROM information_schema.columns
    WHERE table_schema = DATABASE() AND table_name = 'rate_budget' AND column_name = 'learned');
SET @alter = IF(@missing,
    'ALTER TABLE rate_budget ADD COLUMN learned text NULL,
        ADD COLUMN learned_at timestamp(6) NULL DEFAULT NULL',
    'DO 0');
PREPARE alter_budget FROM @alter;
EXECUTE alter_budget;
DEALLOCATE PREPARE alter_budget;
