module client-go

go 1.19

require github.com/getsentry/sentry-go v0.11.0
