-- An issue that leaves its usual band is told like one that is new or came back.
alter table signals drop constraint signals_kind_check;
alter table signals add constraint signals_kind_check check (kind in ('new', 'regressed', 'escalating'));
alter table destinations alter column signals set default '{new,regressed,escalating}';
-- Who wanted to hear of everything that there was wants to hear of this, too.
update destinations set signals = signals || '{escalating}' where signals @> '{new,regressed}';
-- Issues that may calm down.
create index issues_escalating on issues (status_changed_at) where substatus = 'escalating';
