-- When a release went where. A deploy of a release of several projects is one row in each, with the same id.
create sequence deploy_ids;

create table deploys (
    project_id bigint not null,
    id bigint not null,
    version text not null,
    environment text not null check (char_length(environment) between 1 and 64),
    name text,
    url text,
    started_at timestamptz,
    -- Null while it is under way.
    finished_at timestamptz,
    state text not null constraint deploys_state_check
        check (state in ('running', 'finished', 'good', 'bad', 'rolled_back')),
    -- Who or what said so, and in which words; empty for the state that it began with.
    state_by text not null default '',
    state_reason text not null default '',
    state_at timestamptz not null,
    created_at timestamptz not null,
    primary key (project_id, id),
    constraint deploys_release_fkey foreign key (project_id, version)
        references releases (project_id, version) on delete cascade,
    constraint deploys_finished check ((state = 'running') = (finished_at is null))
);
-- Deploys of a release, the newest first; also finds a deploy that is told twice.
create index deploys_by_release on deploys (project_id, version, id desc);
-- The newest deploys of a project to an environment, for marks in charts and the verdict.
create index deploys_by_environment on deploys (project_id, environment, id desc);
