-- Whom the rules of its project name for an issue, by its first event, when it was told of. It stays as it was then.
create table issue_owners (
    project_id bigint not null,
    issue_id bigint not null,
    -- The first one comes first.
    position integer not null check (position between 0 and 9),
    user_id bigint not null references users (id) on delete cascade,
    -- The pattern that fits, and what it fits.
    rule text not null,
    matched text not null,
    primary key (project_id, issue_id, position),
    foreign key (project_id, issue_id) references issues (project_id, id) on delete cascade
);
-- When a person is removed.
create index issue_owners_by_user on issue_owners (user_id);
