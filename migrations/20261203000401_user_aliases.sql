-- What else the people of events may be asked for by, as hashes: an event has one key of its user, and a person who wants
-- their data names an address of mail. Events of before this table are found by their key alone.
create table user_aliases (
    project_id bigint not null,
    -- First 16 bytes of SHA-256 over `email:…` (in lower case) or `username:…`.
    alias bytea not null check (octet_length(alias) = 16),
    -- As in issue_users.
    user_hash bytea not null check (octet_length(user_hash) = 16),
    primary key (project_id, alias, user_hash)
);
-- Which aliases go with somebody?
create index user_aliases_by_user on user_aliases (project_id, user_hash);
