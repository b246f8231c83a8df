-- What a courier says of itself with each heartbeat, JSON: the gates that are closed, the rate that it
-- uses. For people; the program reads it leniently.
ALTER TABLE courier_instance ADD COLUMN standing TEXT;

-- What was learned of the rate that the platform allows, JSON, in the row 'learned'; a courier that
-- starts goes on from there.
ALTER TABLE rate_budget ADD COLUMN learned TEXT;
ALTER TABLE rate_budget ADD COLUMN learned_at TEXT;
