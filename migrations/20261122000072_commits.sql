-- Commits as tools sent them with a release. Bounds are in engine::limits.
create table commits (
    project_id bigint not null references projects (id) on delete cascade,
    repository text not null check (char_length(repository) between 1 and 200),
    -- The full hash in hexadecimal digits, or whatever else names a change in its repository.
    sha text not null check (char_length(sha) between 1 and 64),
    author_name text,
    author_email text,
    -- Null where only the hash is known.
    message text,
    committed_at timestamptz,
    created_at timestamptz not null,
    primary key (project_id, repository, sha)
);

create table release_commits (
    project_id bigint not null,
    version text not null,
    -- 0 is the newest, the one that the release was made from.
    position integer not null check (position >= 0),
    repository text not null,
    sha text not null,
    primary key (project_id, version, position),
    foreign key (project_id, version) references releases (project_id, version) on delete cascade,
    foreign key (project_id, repository, sha) references commits (project_id, repository, sha) on delete cascade
);
-- Which releases contain a commit: resolutions by commit, and commits that no release holds any more.
create index release_commits_by_commit on release_commits (project_id, repository, sha);

create table commit_files (
    project_id bigint not null,
    repository text not null,
    sha text not null,
    path text not null check (char_length(path) between 1 and 512),
    change text not null check (change in ('A', 'M', 'D')),
    primary key (project_id, repository, sha, path),
    foreign key (project_id, repository, sha) references commits (project_id, repository, sha) on delete cascade
);

-- Issues that the commits of a release say they fix. A row is what keeps a list of commits that is sent
-- again from resolving an issue again that was reopened meanwhile.
create table release_fixes (
    project_id bigint not null,
    version text not null,
    issue_id bigint not null,
    repository text not null,
    sha text not null,
    primary key (project_id, version, issue_id),
    foreign key (project_id, version) references releases (project_id, version) on delete cascade,
    foreign key (project_id, issue_id) references issues (project_id, id) on delete cascade
);
-- Fixes of an issue, for its page.
create index release_fixes_by_issue on release_fixes (project_id, issue_id);
