-- The key that signs the links in mails, made once. Whoever reads it can make links that resolve and ignore issues
-- and stop mails; nothing else is signed with it.
create table link_key (
    only_row boolean primary key default true check (only_row),
    key bytea not null check (octet_length(key) = 32),
    created_at timestamptz not null
);
