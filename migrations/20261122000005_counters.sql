-- Counters, kept in the transaction that stores the events, so that they always agree with them.
create table issue_counts (
    project_id bigint not null,
    issue_id bigint not null,
    -- Width of the bucket in seconds: 60 (kept 48 h) or 3600 (kept 90 d).
    span_s integer not null check (span_s in (60, 3600)),
    -- Start of the bucket, seconds since 1970.
    bucket bigint not null,
    events bigint not null,
    primary key (project_id, issue_id, span_s, bucket)
) with (fillfactor = 80);
-- Retention deletes old buckets of one width.
create index issue_counts_by_bucket on issue_counts (span_s, bucket);

create table project_counts (
    project_id bigint not null,
    -- 10 (kept 2 h), 60 (kept 48 h) or 3600 (kept 90 d).
    span_s integer not null check (span_s in (10, 60, 3600)),
    bucket bigint not null,
    events bigint not null,
    primary key (project_id, span_s, bucket)
) with (fillfactor = 50);

-- Distinct users of an issue. Stored as a hash: the row only has to be equal or different.
create table issue_users (
    project_id bigint not null,
    issue_id bigint not null,
    user_hash bytea not null check (octet_length(user_hash) = 16),
    primary key (project_id, issue_id, user_hash)
);

create table releases (
    project_id bigint not null references projects (id) on delete cascade,
    version text not null,
    first_seen timestamptz not null,
    last_seen timestamptz not null,
    primary key (project_id, version)
);

create table environments (
    project_id bigint not null references projects (id) on delete cascade,
    name text not null,
    first_seen timestamptz not null,
    last_seen timestamptz not null,
    primary key (project_id, name)
);

-- One count per item that came in: accepted, filtered, rate_limited, invalid or dropped.
create table outcomes (
    project_id bigint not null,
    -- Start of the hour, seconds since 1970.
    bucket bigint not null,
    category text not null,
    outcome text not null check (outcome in ('accepted', 'filtered', 'rate_limited', 'invalid', 'dropped')),
    reason text not null,
    quantity bigint not null,
    primary key (project_id, bucket, category, outcome, reason)
) with (fillfactor = 50);

-- How far each local spool has been drained; moved in the transaction that stores its events, so
-- that a crash in between neither loses nor doubles anything.
create table spool_positions (
    spool_id uuid primary key,
    segment bigint not null,
    byte_offset bigint not null,
    updated_at timestamptz not null
);
