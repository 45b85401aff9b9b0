-- Which state of the limits somebody saw who changes them: counted up with each change of those of the instance (null) or of
-- a project. Of a key, whose limit is one number, there is none. Whoever counts holds the row, so that two wait for each other.
create table limit_versions (
    project_id bigint unique nulls not distinct references projects (id) on delete cascade,
    version bigint not null check (version > 0)
);
