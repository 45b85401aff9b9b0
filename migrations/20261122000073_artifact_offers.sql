-- Source maps and debug files that a tool wanted to leave here. They are not kept; the release says so.
create table artifact_offers (
    project_id bigint not null references projects (id) on delete cascade,
    -- SHA-1 of the whole file, or what else tells it from others, in hexadecimal digits.
    checksum text not null check (checksum ~ '^[0-9a-f]{40}$'),
    kind text not null check (kind in ('artifact_bundle', 'debug_file')),
    version text,
    dist text,
    name text,
    offered_at timestamptz not null,
    primary key (project_id, checksum)
);
-- What was offered with a release; and the oldest ones, which give way to new ones.
create index artifact_offers_by_release on artifact_offers (project_id, version);
create index artifact_offers_by_age on artifact_offers (project_id, offered_at);
