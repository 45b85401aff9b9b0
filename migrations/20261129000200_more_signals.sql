-- More can happen than the changes of an issue: spikes, verdicts, missed check-ins, trouble of Firefinch itself.
alter table signals drop constraint signals_kind_check;
alter table signals add constraint signals_kind_check check (kind in (
    'new', 'regressed', 'escalating', 'resolved',
    'spike_started', 'spike_ended', 'release_issues', 'deploy', 'checkin_missed', 'trouble'
));
-- What is about no issue has none, what is about no project neither; its facts are the message then.
alter table signals alter column issue_id drop not null;
alter table signals alter column event_id drop not null;
alter table signals alter column project_id drop not null;
alter table signals add constraint signals_of_issue
    check ((kind in ('new', 'regressed', 'escalating', 'resolved')) = (issue_id is not null));
