-- Since when payloads of a project were sampled, and when that was told last: once in hours, whichever process sees it.
create table payload_samplings (
    project_id bigint primary key references projects (id) on delete cascade,
    told_at timestamptz not null
);
