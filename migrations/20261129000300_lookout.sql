-- What is looked at every quarter of a minute to tell people of it: spikes of projects, verdicts on deploys, new issues of releases.
create table project_spikes (
    project_id bigint not null references projects (id) on delete cascade,
    began_at timestamptz not null,
    -- Null while it lasts.
    ended_at timestamptz,
    primary key (project_id, began_at)
);
-- At most one at a time.
create unique index project_spikes_open on project_spikes (project_id) where ended_at is null;

-- The verdict that people were told last; null before the first one.
alter table deploys add column verdict text constraint deploys_verdict_check
    check (verdict in ('good', 'watch', 'bad', 'too_early'));
-- Deploys that are young enough to be judged.
create index deploys_by_creation on deploys (created_at);

-- How many new issues of a release people were told of.
alter table releases add column new_issues_told bigint not null default 0;
-- What was there before anybody was told is no news.
update releases r
set new_issues_told = (
    select count(*) from issues i where i.project_id = r.project_id and i.first_release = r.version
);
