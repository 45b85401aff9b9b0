-- Issues that a release brought back since its deploy, for its verdict: of those that came back, only its own are looked at.
create index returns_by_release on issue_activity (project_id, release, at desc) where kind = 'regressed';
