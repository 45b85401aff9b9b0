-- A rule that somebody deleted can be had back for a while; then it is forgotten.
alter table alert_rules add column deleted_at timestamptz;
