-- Where a project has its sources: how paths of frames begin, and the links that are made of the rest.
create table code_mappings (
    project_id bigint not null references projects (id) on delete cascade,
    -- The first one that fits a frame is used.
    position integer not null check (position between 0 and 11),
    prefix text not null check (char_length(prefix) <= 300),
    root text not null check (char_length(root) <= 300),
    repository text not null check (char_length(repository) <= 500),
    editor text not null check (char_length(editor) <= 500),
    primary key (project_id, position)
);
