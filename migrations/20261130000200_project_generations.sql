-- Grows whenever something changes that writers remember of a project between batches: a release comes to life or is
-- removed, or events move between issues. What was remembered of an older generation is forgotten.
alter table projects add column generation bigint not null default 0;
