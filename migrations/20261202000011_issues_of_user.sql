-- What has this person run into?
create index issue_users_by_user on issue_users (project_id, user_hash);
