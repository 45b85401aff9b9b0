-- What regrouping asks the learned templates with: the text of events that are only a message, and when the first of
-- them arrived, as messages are learned in the order in which they came. Null in plans that are older than this.
alter table regrouping_targets add column free_text jsonb;
alter table regrouping_targets add column first_at timestamptz;
