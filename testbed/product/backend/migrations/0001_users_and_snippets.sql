CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Used where there is no MongoDB.
CREATE TABLE snippets (
    id text PRIMARY KEY,
    user_id text NOT NULL,
    created_at timestamptz NOT NULL,
    document jsonb NOT NULL
);
CREATE INDEX snippets_of_a_user ON snippets (user_id, created_at DESC);
