-- Reads the table while others write to it.
alter table signals validate constraint signals_kind_check;
