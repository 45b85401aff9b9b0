// A clinic that panics in many ways: `clinic BUG N`.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

type bed struct{ patient *patient }

type patient struct {
	name string
	next *patient
}

type ward interface{ admit(n int) string }

type surgery struct{ beds []bed }

type clinicError struct {
	code int
	why  string
}

func (e *clinicError) Error() string { return fmt.Sprintf("%d: %s", e.code, e.why) }

func bailOut(why string, n int) { panic(fmt.Sprintf("%s (%d)", why, n)) }

// EDIT-CALLEES
func (s *surgery) admit(n int) string { return s.beds[n].patient.name }

func (s surgery) count() int { return len(s.beds) }

func lastOf(p *patient) *patient {
	for p.next != nil {
		p = p.next
	}
	return p.next
}

func renameLast(p *patient, name string) { lastOf(p).name = name }

func first[T any](items []T) T { return items[0] }

func mapped[A, B any](items []A, f func(A) B) []B {
	var out []B
	for _, item := range items {
		out = append(out, f(item))
	}
	return out
}

func dose(unit string, n int) int { return n / map[string]int{"mg": 1}[unit] }

func orderDrug(n int) { bailOut("drug is not in the list", n) }

func orderScan(n int) { bailOut("scanner has no slot", n) }

func transfer(n int) {
	if n%2 == 1 {
		panic(&clinicError{409, fmt.Sprintf("patient %d is in another ward", n)})
	}
	panic(&clinicError{423, fmt.Sprintf("ward of %d is locked", n)})
}

func bill(n int) {
	err := errors.New("no account")
	panic(fmt.Errorf("bill %d: %w", n, err))
}

func half(text string, n int) string { return text[n+4 : n+2+len(text)] }

func unlockTwice() {
	defer func() {}()
	var once sync.Once
	once.Do(func() { panic(errors.New("theatre is not locked")) })
}

func eachShift(work func(int)) {
	done := make(chan bool)
	go func() {
		defer close(done)
		work(1)
	}()
	<-done
}

func repeat(n int) string { return strings.Repeat("x", -n) }

func tick(n int) { time.NewTicker(time.Duration(-n)) }

// EDIT-CALLER
func handle(bug string, n int) {
	empty := &surgery{}
	var nobody ward
	switch bug {
	case "admit-index":
		empty.admit(n)
	case "admit-nobody":
		nobody.admit(n)
	case "admit-patient":
		(&surgery{beds: make([]bed, 20)}).admit(n)
	case "rename-last":
		renameLast(&patient{name: "a"}, "b")
	case "first-empty":
		first([]string{})
	case "map-null":
		mapped([]*patient{nil}, func(p *patient) string { return p.name })
	case "dose-unit":
		dose("g", n)
	case "drug-bail":
		orderDrug(n)
	case "scan-bail":
		orderScan(n)
	case "transfer-other":
		transfer(2*n + 1)
	case "transfer-locked":
		transfer(2 * n)
	case "bill-account":
		bill(n)
	case "half-slice":
		half("abc", n)
	case "theatre-once":
		unlockTwice()
	case "shift-index":
		eachShift(func(at int) { fmt.Println([]int{}[at+n]) })
	case "repeat-negative":
		repeat(n)
	case "tick-negative":
		tick(n)
	case "cast-ward":
		fmt.Println(interface{}(empty).(fmt.Stringer))
	}
}

func main() {
	n := 0
	fmt.Sscan(os.Args[2], &n)
	handle(os.Args[1], n)
}
