-- Issues that came back since a deploy, for its verdict. Changes only with an issue's state.
create index issues_by_regression on issues (project_id, status_changed_at desc) where substatus = 'regressed';
