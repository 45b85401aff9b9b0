// An application with sentry-go that panics inside a library function. The DSN is in SENTRY_DSN.
package main

import (
	"fmt"
	"sort"
	"time"

	"github.com/getsentry/sentry-go"
)

type basketError struct{ id int }

func (e basketError) Error() string { return fmt.Sprintf("basket %d has no total", e.id) }

func compareBaskets(i, j int) bool {
	panic(basketError{17})
}

func checkout() {
	baskets := []int{2, 1}
	sort.Slice(baskets, compareBaskets)
}

func main() {
	if err := sentry.Init(sentry.ClientOptions{}); err != nil {
		panic(err)
	}
	// The documented way to report what is about to end the program.
	defer func() {
		if err := recover(); err != nil {
			sentry.CurrentHub().Recover(err)
			sentry.Flush(10 * time.Second)
			panic(err)
		}
	}()
	checkout()
}
