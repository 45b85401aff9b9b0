-- Returns are found by their release since (`returns_by_release`).
drop index issues_by_regression;
