-- What is hidden of events before anything is kept: a row of the instance, and one for each project that chose something.
create table scrubbing (
    -- Null for the instance.
    project_id bigint unique nulls not distinct references projects (id) on delete cascade,
    -- What the engine hides without a rule (`scrub::Policy`); null is as above it: the instance, or the default.
    secrets boolean,
    numbers boolean,
    emails boolean,
    ip_addresses boolean,
    -- As typed; understood before it was stored. The bound is the engine's RULES_BYTES_MAX.
    rules text not null check (octet_length(rules) <= 20000),
    -- Counts the changes, so that a process compiles again only what changed, and so that two people cannot overwrite
    -- each other unseen.
    version bigint not null check (version > 0),
    changed_at timestamptz not null,
    changed_by bigint references users (id) on delete set null
);
