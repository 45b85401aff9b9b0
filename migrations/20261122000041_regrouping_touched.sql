-- Issues whose events a change of the whole project moved so far: what its last steps correct. Gone with its end.
create table regrouping_touched (
    project_id bigint not null,
    regrouping_id bigint not null references regroupings (id) on delete cascade,
    issue_id bigint not null,
    primary key (project_id, regrouping_id, issue_id)
);
