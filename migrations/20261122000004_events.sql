-- Events, partitioned by the day they arrived; retention drops whole partitions.
-- `day` is part of the key because PostgreSQL wants the partition column in every unique key.
create table events (
    project_id bigint not null,
    day date not null,
    event_id uuid not null,
    issue_id bigint not null,
    received_at timestamptz not null,
    -- By the client's clock, moved to the arrival when that cannot be right.
    occurred_at timestamptz not null,
    level text not null,
    platform text not null,
    title text not null,
    culprit text not null,
    release text,
    environment text,
    dist text,
    transaction text,
    server_name text,
    trace_id uuid,
    -- Distinct user: `id:…`, `username:…`, `email:…` or `ip:…`.
    user_key text,
    -- Address of the sender, kept only where the SDK asks the server to infer it.
    client_ip text,
    -- Final tags: [[key, value], …].
    tags jsonb not null,
    -- How `payload` is packed; see `engine::payload`.
    codec smallint not null,
    payload bytea not null,
    -- event_id before day: an event is looked up by its id alone, one probe per partition.
    primary key (project_id, event_id, day)
) partition by range (day);
-- The payload is compressed already: PostgreSQL would try again in vain.
alter table events alter column payload set storage external;

-- Both lists are ordered by (day, received_at, event_id), read backwards for newest first. `day` leads
-- the order because PostgreSQL then walks the partitions one after the other and stops when a page is
-- full; without it, every partition is opened for every page.
-- Events of one issue.
create index events_by_issue on events (project_id, issue_id, day, received_at, event_id);
-- Events of one project: the raw tail and the project's event list.
create index events_by_project on events (project_id, day, received_at, event_id);
