-- Two more things happen to an issue: its events reach 10, 100, 1000, …, and it is as frequent as a rule asks.
alter table signals drop constraint signals_kind_check;
alter table signals add constraint signals_kind_check check (kind in (
    'new', 'regressed', 'escalating', 'resolved', 'frequent', 'milestone',
    'spike_started', 'spike_ended', 'release_issues', 'deploy', 'checkin_missed', 'trouble'
));
alter table signals drop constraint signals_of_issue;
alter table signals add constraint signals_of_issue
    check ((kind in ('new', 'regressed', 'escalating', 'resolved', 'frequent', 'milestone')) = (issue_id is not null));
