-- How a token is recognised, who made it and by which way, and to which project it belongs: its administrators make such
-- tokens, see them and take them back. Of those that there are, nobody knows, and they belong to the instance.
alter table api_tokens
    -- The prefix of its kind and the last four characters of the secret.
    add column hint text check (char_length(hint) <= 20),
    add column made_via text check (made_via in ('page', 'api', 'cli', 'link', 'server')),
    add column made_by_name text,
    add column made_by bigint references users (id) on delete set null,
    add column home_id bigint references projects (id) on delete set null;
-- Tokens of a project, the newest first.
create index api_tokens_by_home on api_tokens (home_id, id desc) where home_id is not null;
