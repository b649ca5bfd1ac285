-- Releases that do not know the column go on working beside those that do.
ALTER TABLE users ADD COLUMN last_login timestamptz;
