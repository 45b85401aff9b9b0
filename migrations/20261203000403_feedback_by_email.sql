-- What did this person say?
create index feedback_by_email on feedback (project_id, lower(email)) where email <> '';
