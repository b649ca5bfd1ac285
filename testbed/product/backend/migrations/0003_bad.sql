CREATE TABLE left_behind (id integer PRIMARY KEY);
ALTER TABLE users ADD COLUMN nickname text NOT NULL DEFAULT lower(display_name);
