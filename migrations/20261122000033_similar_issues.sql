-- Candidates for similar issues: the newest of one type and platform. The type of an issue is written with every event, but
-- changes nearly never, so updates stay within their page all the same.
create index issues_by_type on issues (project_id, platform, type, id desc) where status <> 'merged';
