-- The lookout asks every quarter of a minute whether any limit refused something (`refusals::look`): nearly always none did,
-- and this index is as good as empty.
create index outcomes_rate_limited on outcomes (bucket) where outcome = 'rate_limited';
