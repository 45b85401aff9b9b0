-- Limits that refuse what comes in: of a project and its keys, or of the instance (null). Written by the lookout, so that people
-- are told once a day and pages say since when.
create table limit_refusals (
    project_id bigint references projects (id) on delete cascade,
    counts text not null check (counts in ('events', 'attachments', 'sessions', 'feedback')),
    -- The reason under which it is counted (`engine::outcome::Reason`): whose limit it is, and for how long.
    reason text not null,
    -- The limit, as it stood then, and of which key.
    most bigint not null,
    window_s bigint not null,
    key_label text,
    began_at timestamptz not null,
    last_at timestamptz not null,
    -- Items that it refused in the hours that touch the last one.
    refused bigint not null,
    -- How far the outcomes were looked at: the newest hour, and what was counted in it.
    bucket bigint not null,
    quantity bigint not null,
    told_at timestamptz not null,
    constraint limit_refusals_key unique nulls not distinct (project_id, counts, reason)
);
