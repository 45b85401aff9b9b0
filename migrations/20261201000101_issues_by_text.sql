-- Words anywhere in what an issue is called: the free text of a search, where it is rare. A walk over the newest issues finds
-- frequent words sooner (`store::issues::search` decides). An issue whose text stays as it is costs nothing here.
--
-- pg_trgm comes with PostgreSQL and may be created by the owner of a database. Where it is not installed, or not to be reached,
-- the search goes on walking.
do $$
begin
    create extension if not exists pg_trgm;
    -- A short list of what is not merged yet: every search reads it.
    create index issues_by_text on issues
        using gin ((title || E'\n' || value || E'\n' || culprit || E'\n' || location) gin_trgm_ops)
        with (gin_pending_list_limit = 256);
exception when insufficient_privilege or undefined_file or undefined_object or feature_not_supported then
    raise notice 'there is no pg_trgm: searches for text walk over the issues';
end
$$;
