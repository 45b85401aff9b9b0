-- What was told about an issue: its page, and the list of deliveries.
create index signals_by_issue on signals (issue_id) where issue_id is not null;
