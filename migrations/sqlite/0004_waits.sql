-- Since when a lane waits for a person: a refused token, a task that is not there, one that runs.
-- Unlike held_since it goes on through holds for other reasons; delivering something clears it.
ALTER TABLE delivery_lane ADD COLUMN waits_since TEXT;
