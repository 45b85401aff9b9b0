-- Pages that may post to a project, as patterns (`engine::origin`); none means all.
alter table projects add column allowed_origins text[] not null default '{}'
    constraint projects_allowed_origins_check check (cardinality(allowed_origins) <= 100);
