-- How much each client key is used: one row a day, written by ingest about once a second. It is a hint for people, not a
-- counter that has to agree with stored rows: a process that is killed takes its last second of it along.
create table key_uses (
    key_id bigint not null references project_keys (id) on delete cascade,
    -- The day in UTC.
    day date not null,
    -- Events that were taken.
    events bigint not null,
    -- The newest request of any kind.
    last_at timestamptz not null,
    primary key (key_id, day)
) with (fillfactor = 70);
-- Retention deletes old days.
create index key_uses_by_day on key_uses (day);
