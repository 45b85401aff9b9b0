-- Tokens that work in some projects only. Those that there are work in all. That it is so is a column of its own, so that
-- a token whose last project is deleted works nowhere, and not everywhere.
alter table api_tokens add column every_project boolean not null default true;

create table token_projects (
    token_id bigint not null references api_tokens (id) on delete cascade,
    project_id bigint not null references projects (id) on delete cascade,
    primary key (token_id, project_id)
);
