// A shop that panics in many ways: `shop BUG N`.
package main

import (
	"fmt"
	"os"
	"strconv"
)

type customer struct{ city string }

type store struct {
	rows  map[string]*customer
	names []string
}

func check(ok bool, why string) {
	if !ok {
		panic(why)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// EDIT-CALLEES
func (s *store) cityOf(name string) string { return s.rows[name].city }

func (s *store) nameAt(n int) string { return s.names[n] }

func mean(sum, count int) int { return sum / count }

func reserve(n int) { check(n < 0, fmt.Sprintf("cannot reserve %d items", n)) }

func refund(n int) { check(n < -1, fmt.Sprintf("refund of %d was paid already", n)) }

func importRow(text string) int {
	n, err := strconv.Atoi(text)
	must(err)
	return n
}

func readRules(n int) {
	_, err := os.ReadFile(fmt.Sprintf("/nonexistent/rules-%d.json", n))
	must(err)
}

func castSeats(value interface{}) int { return value.(int) }

func closeBus() {
	bus := make(chan int)
	close(bus)
	bus <- 1
}

func mark(seen map[int]bool, n int) { seen[n] = true }

func closeAccount(n int) {
	if n%2 == 1 {
		panic(fmt.Errorf("account %d is still open", n))
	}
	panic(fmt.Errorf("statement of %d was not sent", n))
}

func each(n int, visit func(int)) { visit(n) }

func grid(n int) []int { return make([]int, -1-n) }

func slots(n int) int {
	values := []int{1, 2, 3}
	pick := func(i int) int { return values[i] }
	return pick(n + 5)
}

// EDIT-CALLER
func handle(bug string, n int) {
	s := &store{rows: map[string]*customer{}, names: []string{"tea"}}
	switch bug {
	case "city-nil":
		s.cityOf(strconv.Itoa(n))
	case "name-bounds":
		s.nameAt(n + 4)
	case "mean-zero":
		mean(n, n-n)
	case "reserve-helper":
		reserve(n)
	case "refund-helper":
		refund(n)
	case "import-must":
		importRow(strconv.Itoa(n) + "x")
	case "rules-must":
		readRules(n)
	case "seats-cast":
		castSeats(strconv.Itoa(n))
	case "bus-closed":
		closeBus()
	case "seen-nil":
		mark(nil, n)
	case "close-open":
		closeAccount(2*n + 1)
	case "close-unsent":
		closeAccount(2 * n)
	case "each-closure":
		each(n, func(i int) { fmt.Println(s.names[:1][i+7]) })
	case "grid-negative":
		grid(n)
	case "slots-closure":
		slots(n)
	}
}

func main() {
	n, _ := strconv.Atoi(os.Args[2])
	handle(os.Args[1], n)
}
