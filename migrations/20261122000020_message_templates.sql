-- Templates that were learned from messages whose words vary (engine::grouping::templates): a message
-- that fits one joins the issue which owns the key of the message that founded it.
create table message_templates (
    project_id bigint not null references projects (id) on delete cascade,
    -- The key of the founder, in issue_hashes while its issue lives.
    founder bytea not null check (octet_length(founder) = 16),
    -- Platform, logger and number of tokens: only templates of one bucket are compared.
    bucket bytea not null check (octet_length(bucket) = 16),
    -- Tokens with one space between them; ** where words vary.
    template text not null,
    -- When a new message was last held against it and fitted. The rows of a project are bounded:
    -- those not met for the longest time go first.
    met_at timestamptz not null,
    primary key (project_id, founder)
);
-- Candidates for a message, those met last first; also the order in which rows are dropped.
create index message_templates_by_bucket on message_templates (project_id, bucket, met_at desc);
