-- Version 1.11: where the voids are.

-- They are few in a long log, and whoever looks for the newest of all spaces must not read it.
CREATE INDEX log_voids ON log (appended_at) WHERE kind = 2;
