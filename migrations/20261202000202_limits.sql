-- How many items may come in within a window: of the instance (neither project nor key), of a project, or of a client key;
-- and how many of them the processes have leased in the window that began at `started` (`engine::quota`).
create table limits (
    id bigint generated always as identity primary key,
    project_id bigint references projects (id) on delete cascade,
    key_id bigint references project_keys (id) on delete cascade,
    counts text not null check (counts in ('events', 'attachments', 'sessions', 'feedback')),
    window_s bigint not null check (window_s between 1 and 86400),
    most bigint not null check (most between 0 and 1000000000000),
    -- Seconds since 1970, by the clock of the database.
    started bigint not null default 0,
    used bigint not null default 0,
    check (key_id is null or project_id is not null),
    constraint limits_key unique nulls not distinct (project_id, key_id, counts, window_s)
) with (fillfactor = 50);
