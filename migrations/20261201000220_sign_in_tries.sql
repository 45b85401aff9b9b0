-- Wrong passwords in a row, by account and whether or not there is such an account: who is locked out learns until when, and
-- not whether anybody has that address. Only a digest of what was typed is kept: people type passwords into the wrong field.
create table sign_in_tries (
    account bytea primary key check (octet_length(account) = 32),
    failures integer not null,
    last_at timestamptz not null,
    locked_until timestamptz
);
-- Those that are forgotten.
create index sign_in_tries_by_last_at on sign_in_tries (last_at);
