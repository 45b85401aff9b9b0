-- Which values the events of an issue ever had: environment, release, host, each tag. A search for such a value finds its issues
-- here instead of reading their events. Written when an issue meets a value for the first time.
create table issue_facets (
    project_id bigint not null,
    -- First 8 bytes of SHA-256 over field and value (`store::facets`), or over the field alone when the issue has more
    -- values of it than are kept.
    facet bigint not null,
    issue_id bigint not null,
    primary key (project_id, facet, issue_id)
);
-- All of one issue: they go with it, and follow it into another.
create index issue_facets_by_issue on issue_facets (project_id, issue_id);

-- Days whose events came before the table did. Maintenance works through them, the newest first; until none is left, searches
-- read events.
create table facet_days (
    day date primary key
);
insert into facet_days (day)
select to_date(substring(c.relname from '\d{8}$'), 'YYYYMMDD')
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'events'::regclass and c.relname ~ '\d{8}$';
