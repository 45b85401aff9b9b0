-- Release health: visits (the protocol's sessions) of a release, counted when they began, each once in
-- one of total's parts: errored, abnormal, unhandled and crashed leave each other out.
create table release_sessions (
    project_id bigint not null,
    -- Width of the bucket in seconds: 60 (kept 48 h) or 3600 (kept 90 d).
    span_s integer not null check (span_s in (60, 3600)),
    -- Start of the bucket, seconds since 1970.
    bucket bigint not null,
    -- Empty when the client names none.
    environment text not null,
    version text not null,
    total bigint not null,
    errored bigint not null,
    abnormal bigint not null,
    unhandled bigint not null,
    crashed bigint not null,
    -- All releases of a stretch of time: adoption, and what was usual before a deploy.
    primary key (project_id, span_s, bucket, environment, version)
) with (fillfactor = 50);
-- A release over time.
create index release_sessions_by_version on release_sessions (project_id, version, span_s, bucket);
-- Retention deletes old buckets of one width.
create index release_sessions_by_bucket on release_sessions (span_s, bucket);

-- Visits that did not stay healthy, so that one which gets worse moves from one count to the other, and
-- one that is told twice is counted once. Kept for as long as updates of a visit are taken.
create table release_session_states (
    project_id bigint not null,
    session_id uuid not null,
    -- 1 errored, 2 abnormal, 3 unhandled, 4 crashed: the worst that was told.
    state smallint not null check (state between 1 and 4),
    -- Whether its beginning was told since it is here.
    begun boolean not null,
    -- Both as they were before the last update, which the writer reads back to know what it changed.
    state_before smallint not null check (state_before between 0 and 4),
    begun_before boolean not null,
    -- Where it is counted.
    started timestamptz not null,
    environment text not null,
    version text not null,
    primary key (project_id, session_id)
);
-- Retention.
create index release_session_states_by_start on release_session_states (started);

-- People who used a release, per day, as a hash: a row only has to be equal or different.
create table release_users (
    project_id bigint not null,
    -- Start of the day, seconds since 1970.
    day bigint not null,
    version text not null,
    environment text not null,
    user_hash bytea not null check (octet_length(user_hash) = 16),
    crashed boolean not null,
    primary key (project_id, version, environment, day, user_hash)
);
-- Retention.
create index release_users_by_day on release_users (day);
