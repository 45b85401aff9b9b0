-- Links in mails that somebody used: each works once. Forgotten when the link itself has ended.
create table used_links (
    mark bytea primary key check (octet_length(mark) = 16),
    used_at timestamptz not null,
    expires_at timestamptz not null
);
-- What can be forgotten.
create index used_links_by_end on used_links (expires_at);
