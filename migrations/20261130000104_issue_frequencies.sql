-- Issues that are as frequent as some rule asks and of which that was told: a row goes when the issue was below for a whole window.
create table issue_frequencies (
    project_id bigint not null,
    issue_id bigint not null,
    -- What was asked: events:100:5.
    frequency text not null,
    minutes integer not null,
    told_at timestamptz not null,
    -- When it was last above.
    over_at timestamptz not null,
    primary key (project_id, issue_id, frequency),
    foreign key (project_id, issue_id) references issues (project_id, id) on delete cascade
);
