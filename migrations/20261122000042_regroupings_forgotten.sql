-- When the journal of a regrouping was deleted: since then it cannot be undone.
alter table regroupings add column forgotten_at timestamptz;
-- Regroupings whose journal is kept, those that ended first in front: what maintenance looks at.
create index regroupings_remembered on regroupings (finished_at) where kind = 'regroup' and forgotten_at is null;
