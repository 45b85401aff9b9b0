-- Whether payloads are left out because the disk of the database is nearly full (`engine::room`), since when: so that it is told
-- once, whichever process sees it, and shown by all.
create table disk_guard (
    only_row boolean primary key default true check (only_row),
    is_scarce boolean not null,
    changed_at timestamptz not null
);
