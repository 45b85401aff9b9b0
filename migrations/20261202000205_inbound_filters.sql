-- Events that are not wanted: a row of the instance, and one for each project that chose something (`engine::filter`).
create table inbound_filters (
    -- Null for the instance.
    project_id bigint unique nulls not distinct references projects (id) on delete cascade,
    -- Null is as above it: the instance, or off.
    crawlers boolean,
    legacy_browsers boolean,
    localhost boolean,
    -- As typed, one a line; understood before they were stored. The bound is the engine's LISTS_BYTES_MAX.
    messages text not null check (octet_length(messages) <= 20000),
    releases text not null check (octet_length(releases) <= 20000),
    addresses text not null check (octet_length(addresses) <= 20000),
    version bigint not null check (version > 0),
    changed_at timestamptz not null,
    changed_by bigint references users (id) on delete set null
);
