-- Who owns what of a project: lines as engine::owners reads them.
create table ownership_rules (
    project_id bigint primary key references projects (id) on delete cascade,
    rules text not null check (char_length(rules) <= 100000),
    -- Whether a new issue is given to its owner.
    auto_assign boolean not null,
    changed_at timestamptz not null,
    changed_by bigint references users (id) on delete set null
);
