-- A healthy session leaves a row, too, for as long as its beginning may be sent again (`store::maintenance`): 0 is healthy.
alter table release_session_states drop constraint release_session_states_state_check;
alter table release_session_states add constraint release_session_states_state_check check (state between 0 and 4);
-- Retention of those that stayed healthy, the oldest first.
create index release_session_states_healthy on release_session_states (started) where state = 0;
