-- What an authenticator app of a person knows as well (RFC 6238). Plain, as codes can only be compared with the secret in
-- hand; docs/RUNNING.md says why it is not encrypted with a key that would lie beside it.
create table authenticator_apps (
    user_id bigint primary key references users (id) on delete cascade,
    secret bytea not null check (octet_length(secret) = 20),
    -- The step of the last code that was accepted: no code is good twice.
    last_step bigint not null,
    created_at timestamptz not null
);
