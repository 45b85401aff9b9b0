-- Receivers whose own form of a message we know. config: what engine::alert::preset keeps of each.
alter table destinations drop constraint destinations_kind_check;
alter table destinations add constraint destinations_kind_check check (kind in (
    'mail', 'webhook',
    'slack', 'discord', 'telegram', 'mattermost', 'teams', 'ntfy', 'pagerduty', 'opsgenie'
));
