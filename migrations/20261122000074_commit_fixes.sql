-- Nothing was ever written to it: what it should have held is told by a commit, not by a release.
drop table release_fixes;

-- Issues that commits say they fix. A commit says so once: a list of commits that is sent again, or with the next
-- release, does not resolve an issue again that was reopened meanwhile.
create table commit_fixes (
    -- Of the issue; the commit may have come with a release of another project.
    project_id bigint not null,
    issue_id bigint not null,
    repository text not null,
    sha text not null,
    -- The release that it first came with.
    version text not null,
    -- Null until the issue was resolved: that is done after the list of commits is written, so that no
    -- transaction holds releases and issues at once.
    applied_at timestamptz,
    created_at timestamptz not null,
    primary key (project_id, issue_id, repository, sha),
    foreign key (project_id, issue_id) references issues (project_id, id) on delete cascade
);
-- What a release fixes, for its page; and what of it is still to be done.
create index commit_fixes_by_release on commit_fixes (project_id, version, issue_id desc);
-- The release that a commit came with, by the beginning of its hash: a range of bytes.
create index release_commits_by_sha on release_commits (project_id, (sha collate "C"));
-- Issues that are resolved in a release, for its page.
create index issues_by_fix on issues (project_id, (state_details ->> 'in_release'), id desc)
    where state_details ? 'in_release';
