-- Rules that a project's people wrote: fingerprints, and frames of stacks. No row means none.
create table project_rules (
    project_id bigint primary key references projects (id) on delete cascade,
    -- Both are text as it was typed, with its comments; it was understood before it was stored.
    -- The bound is the engine's RULES_BYTES_MAX.
    fingerprint_rules text not null check (octet_length(fingerprint_rules) <= 262144),
    stack_rules text not null check (octet_length(stack_rules) <= 262144),
    -- Counts the changes, so that a process compiles again only what changed, and so that two people
    -- cannot overwrite each other unseen.
    version bigint not null check (version > 0),
    changed_at timestamptz not null,
    changed_by bigint references users (id) on delete set null
);
